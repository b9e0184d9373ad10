"""Rows, parts and messages: frozen structs that know nothing of stores, desks or providers."""
