"""Texts as SMPP carries them: alphabets, segments, user data headers. Pure; imports nothing of ours but itself."""
