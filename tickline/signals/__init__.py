"""What the market says: indicators, features, regimes and the strategies that read them."""
