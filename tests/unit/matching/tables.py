"""All tables of the rules R1 to R9 under one roof, for what must hold in every one of them."""

from tests.unit.matching.test_r1_order import ORDER
from tests.unit.matching.test_r2_draw import DRAWS
from tests.unit.matching.test_r3_shares import SHARES
from tests.unit.matching.test_r4_promotion import PROMOTION
from tests.unit.matching.test_r5_hold import HOLDS
from tests.unit.matching.test_r6_points import POINTS
from tests.unit.matching.test_r7_capacity import CUTS
from tests.unit.matching.test_r8_override import OVERRIDES
from tests.unit.matching.test_r9_claims import CLAIMS
from tests.unit.matching.test_revised import REVISED

_BY_RULE = {
    "R1": ORDER, "R2": DRAWS, "R3": SHARES, "R4": PROMOTION, "R5": HOLDS, "R6": POINTS, "R7": CUTS, "R8": OVERRIDES,
    "R9": CLAIMS, "revised": REVISED,
}  # fmt: skip
TABLES = {f"{rule} {name}": text for rule, table in _BY_RULE.items() for name, text in table.items()}
