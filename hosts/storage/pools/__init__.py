"""Pools made, built, redefined and removed. What a kind of pool is made of stands in virt/xml/pools, one file a kind."""
