"""How GPT-2 writes bytes as characters, so that any bytes are a word of visible characters; the one place for it."""

from __future__ import annotations

__all__ = ["BYTE_CHARACTERS", "bytes_to_characters", "characters_to_bytes"]


def _byte_characters() -> tuple[str, ...]:
    visible = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = (chr(256 + n) for n in range(256))
    return tuple(chr(byte) if byte in visible else next(others) for byte in range(256))


#: The character of each byte: itself in Latin-1 where that is visible, else the next from U+0100 on (space is "Ġ").
BYTE_CHARACTERS: tuple[str, ...] = _byte_characters()

_CHARACTERS = dict(enumerate(BYTE_CHARACTERS))
_BYTES = {character: byte for byte, character in _CHARACTERS.items()}


def bytes_to_characters(content: bytes) -> str:
    r"""Write bytes as characters, one each.

    Example:
        >>> bytes_to_characters("\n é".encode())
        'ĊĠÃ©'

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2.
    """
    return content.decode("latin-1").translate(_CHARACTERS)


def characters_to_bytes(characters: str) -> bytes:
    """Return the bytes that characters stand for.

    Raises:
        KeyError: a character stands for no byte.
    """
    return bytes([_BYTES[character] for character in characters])
