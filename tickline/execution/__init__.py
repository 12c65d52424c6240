"""Orders and money: what an order may become, and what each fill does to cash and positions."""
