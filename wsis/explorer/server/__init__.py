"""Between network and events: passwords, turns, uploads, figures for operators; nothing of what a page shows."""
