"""Floor 1, the contract: names, records, JSON Schemas, rules, bytes.

Everything above agrees with everything else through this floor and nothing here imports from
above. See `layout` for where every file stands and `records` for what every line says.
"""
