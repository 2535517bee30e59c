"""The results as an OPTIMADE database: slabs and bulk crystals, and their levels as provider fields."""
