"""The L-SOAP attention network."""
