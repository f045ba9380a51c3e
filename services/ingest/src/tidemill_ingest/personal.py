"""Personal data: which classes there are, how a column of each is recognised, and what is stored of it.

A column belongs to a class when its name says so and its cells do not contradict, or when its cells say so by
themselves. The cells looked at are a sample, so what is rare in a column does not decide.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
import stdnum.br.cpf
import stdnum.es.dni
import stdnum.es.nie
import stdnum.iban
import stdnum.it.codicefiscale
import stdnum.luhn
import stdnum.mx.curp
import stdnum.us.ssn

from tidemill_contracts.columns import Privacy

# Of a column with a telling name, at least this share of the cells must look the part.
PLAUSIBLE_SHARE = 0.1
CHECKED_CELLS = 200
# Fewer cells than this are errors, whatever they are.
STRAY_SHARE = 0.01
PERSONAL_NUMBERS: Sequence[ModuleType] = (
    *(stdnum.us.ssn, stdnum.it.codicefiscale, stdnum.es.dni, stdnum.es.nie, stdnum.mx.curp, stdnum.br.cpf),
)


@dataclass(frozen=True)
class Telling:
    """What cells that tell a class by themselves look like.

    `shape` is looked for in every cell, `is_valid` is asked of those that have it. `share` is enough, of the
    different cells: one word that stands for none does not hide the others.
    """

    shape: str
    is_valid: Callable[[str], bool]
    share: float


@dataclass(frozen=True)
class PersonalData:
    """One class. `privacy` is what is stored of it where the spec does not say.

    `named` is looked for in the words of a column's name, `plausible` in the cells of a column so named.
    `beside` is looked for too where another column of the file is personal.
    """

    name: str
    privacy: Privacy
    named: str
    plausible: str
    telling: Telling | None = None
    beside: str | None = None


def _is_card(text: str) -> bool:
    return stdnum.luhn.is_valid(re.sub("[ -]", "", text))


def _is_phone(text: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, "US"))
    except phonenumbers.NumberParseException:
        return False


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_personal_number(text: str) -> bool:
    return any(number.is_valid(text) for number in PERSONAL_NUMBERS)


# Repeated classes of Unicode letters would take RE2 milliseconds to compile, for every column.
EMAIL = r"[^\s@,;:<>()\"']@[^\s@,;:<>()\"']+\.[^\s@,;:<>()\"'.0-9]{2}"
IP = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$|^[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$"
IBAN = r"^[A-Za-z]{2}[0-9]{2} ?[A-Za-z0-9]{4}[A-Za-z0-9 ]{7,34}$"
CARD = r"^(4|5[1-5]|2[2-7]|3[0-9]|6[0245])([ -]?[0-9]){11,17}$"
# With the country's prefix, or as it is written in North America.
PHONE = r"^\+[0-9]([-. ()/]*[0-9]){7,14}$|^(1[-. ])?\(?[0-9]{3}\)?[-. ][0-9]{3}[-. ][0-9]{4}$"
PERSONAL_NUMBER = (
    r"^[0-9]{3}-[0-9]{2}-[0-9]{4}$|^[A-Z]{6}[0-9A-Z]{2}[A-Z][0-9A-Z]{2}[A-Z][0-9A-Z]{3}[A-Z]$"
    r"|^[0-9XYZ][0-9]{7}-?[A-Z]$|^[A-Z]{4}[0-9]{6}[HM][0-9A-Z]{7}$|^[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}$"
)
PEOPLE = (
    r"(customer|client|patient|passenger|guest|employee|student|member|driver|person|contact|(card ?)?holder)"
)

CLASSES: Mapping[str, PersonalData] = {
    each.name: each
    for each in (
        PersonalData(
            "card-number",
            "drop",
            r"\b(card|cc|pan) ?(number|num|nr|no)\b|\b(credit|debit) ?card\b|^pan$",
            r"^([0-9][ -]?){12,19}$",
            Telling(CARD, _is_card, 0.5),
        ),
        PersonalData(
            "email",
            "hash",
            r"\be ?mails?\b",
            r"@",
            Telling(EMAIL, bool, 0.1),
        ),
        PersonalData("iban", "hash", r"\biban\b", IBAN, Telling(IBAN, stdnum.iban.is_valid, 0.1)),
        PersonalData(
            "national-id",
            "hash",
            r"\bssn\b|\bsocial security\b|\bnational (id|insurance)\b|\bpassport\b|\btax ?id\b"
            r"|\bdriv(er|ing) ?s? ?licen[cs]e\b|\b(identity|id) card\b"
            r"|\b(aadhaar|cpf|curp|pesel|dni|nif|personnummer)\b",
            r"^([^0-9]{0,6}[0-9]){4,20}[^0-9]{0,4}$",
            Telling(PERSONAL_NUMBER, _is_personal_number, 0.5),
        ),
        PersonalData(
            "phone",
            "hash",
            r"\b(phone|telephone|tel|mobile|msisdn|fax|cell ?phone)( (number|num|nr|no|home|work|\d))*$",
            r"^[+(]*([0-9][-. ()/x]*){7,16}$",
            Telling(PHONE, _is_phone, 0.5),
        ),
        PersonalData("ip-address", "hash", r"\bip(v ?[46])?\b", IP, Telling(IP, _is_ip, 0.9)),
        PersonalData(
            "person-name",
            "hash",
            r"\b(first|last|given|family|middle|maiden|full|user|sur|fore|vor|nach) ?name\b|^[fl] ?name$"
            rf"|\b{PEOPLE} ?name\b|\b(pr[eé]nom|apellidos?)\b",
            r"^\pL",
            beside="^name$",
        ),
        PersonalData(
            "address",
            "mask",
            r"\b(address|addr)( ?line)?( ?\d)?$|\bstreet( (name|address))?$",
            r"\pN\S*\s.*\pL{2}|\pL{2}.*\s\pN",
        ),
        PersonalData(
            "birth-date",
            "mask",
            r"\bdob\b|\bbirth ?(date|day|dt)\b|\b(date|day) of birth\b|\bborn( on)?$",
            r"^[0-9]{1,4}[-./ ][0-9A-Za-z]{1,9}[-./ ][0-9]{1,4}|^[0-9]{8}$"
            r"|^[A-Za-z]{3,9}\.? [0-9]{1,2},? [0-9]{4}",
        ),
    )
}


def classify(columns: Mapping[str, pa.Array]) -> dict[str, str]:
    """Name the class of every column that is personal.

    Args:
        columns: For every name some cells as text, without nulls; none where a column has no cells.
    """
    found = {name: each for name, cells in columns.items() if (each := _class_of(name, cells))}
    if found:
        for data in CLASSES.values():
            for name, cells in columns.items():
                if name not in found and data.beside and _is_named(words(name), cells, data.beside, data):
                    found[name] = data.name
    return found


def told_by(cells: pa.Array) -> list[tuple[str, int]]:
    """Say what single cells are by themselves, whatever else is beside them: classes with a cell each."""
    told = []
    for data in CLASSES.values():
        if data.telling:
            indices = pc.indices_nonzero(pc.match_substring_regex(cells, data.telling.shape)).to_pylist()
            told += [(data.name, index) for index in indices if data.telling.is_valid(cells[index].as_py())]
    return told


def words(name: str) -> str:
    """Write a column's name as lower-case words: `clientIP_address` is `client ip address`."""
    apart = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_]+", " ", name)
    return apart.strip().lower()


def _class_of(name: str, cells: pa.Array) -> str | None:
    in_words, different = words(name), pc.unique(cells)
    for data in CLASSES.values():
        is_named = _is_named(in_words, different, data.named, data)
        if is_named or (data.telling and _is_told(cells, different, data.telling)):
            return data.name
    return None


def _is_named(in_words: str, cells: pa.Array, named: str, data: PersonalData) -> bool:
    if not re.search(named, in_words):
        return False
    plausible = pc.sum(pc.match_substring_regex(cells, data.plausible)).as_py() or 0
    return bool(plausible >= PLAUSIBLE_SHARE * len(cells))


def _is_told(cells: pa.Array, different: pa.Array, telling: Telling) -> bool:
    shaped = different.filter(pc.match_substring_regex(different, telling.shape))
    if not len(shaped) or len(shaped) < telling.share * len(different):
        return False
    checked = shaped[:CHECKED_CELLS].to_pylist()
    valid = [text for text in checked if telling.is_valid(text)]
    if len(valid) / len(checked) * len(shaped) < telling.share * len(different):
        return False
    told = pc.sum(pc.is_in(cells, shaped)).as_py()
    return bool(told >= STRAY_SHARE * len(cells))
