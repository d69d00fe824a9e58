"""The gold image: what hosts hold (services, tasks, autoruns, drivers, …), compared with what hosts like them hold.

`gather` reads what events and snapshots say, `words` brings names and values to what is comparable, `units` makes one
unit of an item on a host on a day, `learnt` keeps who held what, `score` says how unusual each unit is, `say` why,
`compare` lists differences for a person.
"""
