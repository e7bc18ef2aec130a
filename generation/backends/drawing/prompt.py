from dataclasses import dataclass
def understand(prompt): raise NotImplementedError
