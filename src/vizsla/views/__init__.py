"""Views as they are shipped: one YAML file each, the fields they share, and the words their mappings are written in."""
