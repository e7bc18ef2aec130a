"""Is a release whole, and does it agree with itself?"""
