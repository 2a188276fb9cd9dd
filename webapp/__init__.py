"""Recado: campaigns by SMS, WhatsApp and voice through the SpeedMarket gateway."""
