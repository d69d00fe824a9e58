"""Behaviour of users and entities: who logs on to what, from where, when and how.

`logons` gathers logons by the hour; `addresses` tells which host an address is; `edges` scores new edges of the access
graph; `paths` follows them from host to host; `habits` tells people's accounts from services'; `geo` places addresses.
"""
