"""How the parts that are learned are learned; nothing here is needed to answer a question."""
