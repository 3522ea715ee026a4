"""Characters to integers and back."""

from __future__ import annotations

import json
from collections.abc import Iterable


class CharTokenizer:
    """One integer a character.

    Args:
        characters: the vocabulary; the place of a character is its integer. Each occurs once.
        terminator: the character of the vocabulary that ends (and begins) a word, if there is one.

    Attributes:
        stoi: character to integer.
        itos: integer to character.

    Raises:
        ValueError: a character occurs twice or is not one character, or the terminator is none.
    """

    def __init__(self, characters: Iterable[str], terminator: str | None = None) -> None:
        self.characters = list(characters)
        self.terminator = terminator
        self.stoi = {character: index for index, character in enumerate(self.characters)}
        self.itos = dict(enumerate(self.characters))
        for character in self.characters:
            if not isinstance(character, str) or len(character) != 1:
                raise ValueError(f"CharTokenizer: {character!r} is not one character")
        if len(self.stoi) != len(self.characters):
            twice = next(c for i, c in enumerate(self.characters) if self.stoi[c] != i)
            raise ValueError(f"CharTokenizer: the character {twice!r} occurs twice")
        if terminator is not None and terminator not in self.stoi:
            raise ValueError(f"CharTokenizer: the terminator {terminator!r} is not a character of it")

    @classmethod
    def from_text(cls, text: str) -> CharTokenizer:
        """The characters of ``text``, sorted, as in the GPT lecture."""
        return cls(sorted(set(text)))

    @classmethod
    def from_words(cls, words: Iterable[str], terminator: str = ".") -> CharTokenizer:
        """The terminator as 0, then the characters of ``words``, sorted, as in makemore.

        Raises:
            ValueError: a word has the terminator in it.
        """
        characters: set[str] = set()
        for word in words:
            if terminator in word:
                raise ValueError(f"CharTokenizer: the word {word!r} has the terminator in it")
            characters.update(word)
        return cls([terminator, *sorted(characters)], terminator)

    @property
    def vocab_size(self) -> int:
        """How many different characters there are."""
        return len(self.characters)

    def __len__(self) -> int:
        return len(self.characters)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CharTokenizer):
            return NotImplemented
        return (self.characters, self.terminator) == (other.characters, other.terminator)

    __hash__ = None  # type: ignore[assignment]  # equal by content, and its dicts can be written to

    def __repr__(self) -> str:
        return f"CharTokenizer({''.join(self.characters)!r}, terminator={self.terminator!r})"

    def encode(self, text: str) -> list[int]:
        """The integers of ``text``, one a character.

        Raises:
            ValueError: a character is not in the vocabulary; it is named, with its position.
        """
        stoi = self.stoi
        try:
            return [stoi[character] for character in text]
        except KeyError:
            position = next(i for i, character in enumerate(text) if character not in stoi)
            raise ValueError(
                f"encode: the character {text[position]!r} (U+{ord(text[position]):04X}) at "
                f"position {position} is not among the {len(self)} of the vocabulary "
                f"{''.join(self.characters)!r}"
            ) from None

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of ``tokens``: a list, a NumPy array or a 1-d Tensor of integers.

        Raises:
            ValueError: an integer is outside the vocabulary; it is named, with its position.
        """
        itos = self.itos
        # One call empties an array or a Tensor of any kind, rather than one read an element.
        values = tokens.tolist() if hasattr(tokens, "tolist") else list(tokens)
        try:
            return "".join([itos[token] for token in values])
        except (KeyError, TypeError):
            for position, token in enumerate(values):
                if not isinstance(token, int) or token not in itos:
                    raise ValueError(
                        f"decode: {token!r} at position {position} is not an integer from 0 to {len(self) - 1}"
                    ) from None
            raise

    def to_json(self) -> str:
        """The vocabulary as JSON, for :meth:`from_json`."""
        return json.dumps({"characters": self.characters, "terminator": self.terminator})

    @classmethod
    def from_json(cls, text: str) -> CharTokenizer:
        """The tokenizer that :meth:`to_json` wrote.

        Raises:
            ValueError: ``text`` is not such JSON.
        """
        state = json.loads(text)
        if not isinstance(state, dict) or not isinstance(state.get("characters"), list):
            raise ValueError("CharTokenizer.from_json: no list of 'characters' in it")
        return cls(state["characters"], state.get("terminator"))
