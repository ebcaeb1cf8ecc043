"""What each kind of room holds and how people arrange it: one page a kind, most important things first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loc3r.synth.plan import Plan, Unfit
from loc3r.synth.room import RoomObject

Programme = Callable[[Plan], None]

KITCHEN_MODELS = frozenset({"blendswap-cc-by/kitchenSink", "blendswap-cc-0/sinkCabinet"})
BATHROOM_MODELS = frozenset(
    {"blendswap-cc-0/modernVanity", "blendswap-cc-0/washbasin", "blendswap-cc-by/washbasin_jay_hardy",
     "scopia/bathroom1", "scopia/bathroom3", "scopia/bathroom4", "scopia/bathroom_vanity",
     "scopia/double_vanity", "scopia/small_lavatory"}
)  # fmt: skip
CHILDREN_MODELS = frozenset(
    {"scopia/children_table", "scopia/kids_desk_table", "scopia/kids_wooden_desk", "scopia/kids_desk_chair",
     "scopia/children_bed", "scopia/kids_shelves", "blendswap-cc-by/juniorBed", "blendswap-cc-by/classSeat"}
)  # fmt: skip
"""Models of classes that several kinds of rooms use, but that belong in one of them."""


@dataclass(frozen=True)
class RoomKind:
    """A kind of room: how large, how many things, how common, and the programme that furnishes it."""

    name: str
    shorter_m: tuple[float, float]
    longer_m: tuple[float, float]
    things: tuple[int, int]
    share: float
    furnish: Programme
    avoid: frozenset[str]
    """Models that belong in other kinds of rooms."""


def need(thing: RoomObject | None) -> RoomObject:
    """The thing, or ``Unfit`` where the room can't do without it."""
    if thing is None:
        raise Unfit
    return thing


def living_room(plan: Plan) -> None:
    """Couch and television across from each other, a coffee table between, shelves and plants about."""
    couch = need(plan.against_wall("couch", at="middle", widest_m=plan.size_m[0] * 0.8))
    opposite = plan.wall_opposite(couch)
    stand = plan.against_wall("tv stand", "dresser", walls=[opposite], near_m=opposite.position_m(couch))
    plan.on(stand, "tv", at="middle") or plan.on_wall("tv", walls=[opposite], near_m=opposite.position_m(couch))
    table = plan.before(couch, "coffee table", (0.32, 0.5), facing=False)
    for _ in range(int(plan.rng.integers(0, 3))):
        plan.facing(table, "armchair") if table else plan.against_wall("armchair")
    if plan.maybe(0.5):
        plan.rug(under=table or couch)
    plan.beside(couch, *plan.pick("floor lamp", "plant", "nightstand", "chest"))
    plan.on(table, *plan.pick("flowers", "bowl", "book", "vase", "tray", "plant"))
    for name in plan.pick("bookshelf", "piano", "fireplace", "cabinet", "shelf", "dresser", "bookshelf", count=3):
        shelf = plan.against_wall(name)
        if plan.maybe(0.6):
            plan.on(shelf, *plan.pick("vase", "radio", "picture frame", "table lamp", "plant", "speaker", count=2))
    if plan.maybe(0.6):
        plan.on_wall("picture", over=couch)
    small_things(plan, "plant", "plant", "vase", "guitar", "ball", "basket", "floor lamp", "beanbag", "room divider")
    plan.on(stand, *plan.pick("speaker", "vase", "radio", "plant"))
    plan.on(table, *plan.pick("book", "cup", "bottle", "plate", "teddy bear"))
    wall_things(plan, "picture", "picture", "clock", "wall lamp", "air conditioner", "radiator", "mirror", count=3)


def bedroom(plan: Plan) -> None:
    """A bed with nightstands and lamps, a wardrobe, perhaps a desk or a dresser."""
    bed = need(plan.against_wall("bed", at=str(plan.rng.choice(["middle", "corner"]))))
    first = plan.beside(bed, "nightstand")
    second = plan.beside(bed, "nightstand") if plan.maybe(0.7) else None
    need(plan.against_wall("wardrobe", "wardrobe", "dresser", at="corner"))
    plan.on(first, "table lamp", "table lamp", "flowers", at="back")
    plan.on(second, *plan.pick("table lamp", "book", "radio", "picture frame", "plant"))
    if plan.maybe(0.45):
        workplace(plan)
    for name in plan.pick("dresser", "dressing table", "armchair", "bookshelf", "clothes rack", "chest", count=2):
        dresser = plan.against_wall(name)
        plan.on(dresser, *plan.pick("tv", "vase", "flowers", "picture frame", "folded clothes", "handbag", "hat"))
        if name == "dresser":
            plan.on_wall("mirror", over=dresser)
    if plan.maybe(0.5):
        plan.rug()
    small_things(plan, "plant", "laundry basket", "suitcase", "shoes", "floor lamp", "backpack", "box", "trash can")
    wall_things(plan, "picture", "mirror", "picture", "wall lamp", "clock", "radiator", "coat hook")


def office(plan: Plan) -> None:
    """One to three desks with chairs and computers, shelves, a printer."""
    need(workplace(plan))
    for _ in range(int(plan.rng.integers(0, 3))):
        workplace(plan)
    for name in plan.pick("bookshelf", "filing cabinet", "cabinet", "shelf", "whiteboard", "water cooler", count=4):
        shelf = plan.against_wall(name)
        plan.on(shelf, *plan.pick("printer", "plant", "radio", "fan", "telephone"))
    if plan.maybe(0.3):
        meeting = plan.in_middle("table", widest_m=1.7)
        if meeting:
            plan.around(meeting, "chair", int(plan.rng.integers(2, 5)))
            plan.on(meeting, *plan.pick("projector", "laptop", "flowers", "bottle"))
    if plan.maybe(0.4):
        plan.against_wall("armchair", "couch", widest_m=1.9)
    small_things(plan, "trash can", "plant", "box", "safe", "fire extinguisher", "floor lamp", "plant", "suitcase")
    wall_things(plan, "clock", "picture", "air conditioner", "radiator", "wall lamp", "coat hook")


def workplace(plan: Plan) -> RoomObject | None:
    """A desk against a wall, its chair, and what stands on it."""
    desk = plan.against_wall("desk")
    if desk is None:
        return None
    seat = "office chair" if plan.maybe(0.7) else "chair"
    need(plan.before(desk, seat, (0.04, 0.15), facing=True))
    plan.on(desk, "monitor", "monitor", "computer", "laptop", at="back")
    plan.on(desk, *plan.pick("desk lamp", "telephone", "book", "printer", "plant", "paper tray"))
    if plan.maybe(0.4):
        plan.on(desk, *plan.pick("desk lamp", "book", "cup", "fan", "picture frame"))
    return desk


def kitchen(plan: Plan) -> None:
    """A run of units with stove and sink, cupboards over it, a table with chairs where there is room."""
    middle = plan.pick("stove", "sink", "kitchen cabinet", "kitchen cabinet", "oven", count=4)
    units = need_some(plan.run(["refrigerator", *middle, "kitchen cabinet"]))
    for unit in units:
        if unit.name == "stove":
            plan.on_wall("range hood", over=unit, bottom=1.55)
        elif unit.name != "refrigerator" and plan.maybe(0.5):
            plan.on_wall("kitchen cabinet", over=unit)
    more = plan.against_wall("kitchen cabinet", "washing machine", "freezer", "oven", at="corner")
    table = plan.in_middle("table", widest_m=1.7) or plan.against_wall("table", widest_m=1.3)
    if table:
        plan.around(table, "chair", int(plan.rng.integers(2, 5)))
        plan.on(table, *plan.pick("bowl", "flowers", "plate", "cake", "bottle", "jar"))
    tops = [unit for unit in [*units, more] if unit]
    things = ("microwave", "coffee maker", "kettle", "toaster", "blender", "mixer", "bread box", "knife block", "pan")
    for top, name in zip(tops, plan.pick(*things, "toaster oven", "paper towel", count=len(tops)), strict=True):
        plan.on(top, name, *plan.pick(*things), at="back")
    small_things(plan, "trash can", "plant", "high chair", "broom", "basket", "stool")
    wall_things(plan, "clock", "picture", "radiator", "water heater")


def bathroom(plan: Plan) -> None:
    """Toilet, sink and bathtub or shower; towels, and where there is room a washing machine."""
    need(plan.against_wall("bathtub", "shower", "shower", at="corner"))
    sink = need(plan.against_wall("sink", widest_m=1.2))
    plan.on_wall("mirror", over=sink)
    toilet = need(plan.against_wall("toilet"))
    if plan.maybe(0.4):
        plan.beside(toilet, "bidet")
    machine = plan.against_wall("washing machine", "dryer", "dresser", "shelf", widest_m=1.0, at="corner")
    plan.on(machine, *plan.pick("folded clothes", "bottle", "candle", "plant"))
    plan.rug() if plan.maybe(0.5) else None
    small_things(plan, "laundry basket", "trash can", "plant", "stool", "drying rack")
    wall_things(plan, "towel rack", "towel", "toilet paper", "radiator", "water heater", "wall lamp", count=3)


def dining_room(plan: Plan) -> None:
    """A table in the middle with chairs all round, a dresser and what belongs on them."""
    table = need(plan.in_middle("table"))
    need_some(plan.around(table, "chair", int(plan.rng.integers(3, 7)), sides=4))
    plan.on(table, *plan.pick("flowers", "bowl", "candle", "vase"), at="middle")
    for name in plan.pick("plate", "bottle", "tray", "cake", "plate", count=2):
        plan.on(table, name)
    for name in plan.pick("dresser", "bookshelf", "cabinet", "fireplace", "piano", "chest", "armchair", count=3):
        shelf = plan.against_wall(name)
        plan.on(shelf, *plan.pick("vase", "fish tank", "radio", "picture frame", "table lamp", "plant"))
    if plan.maybe(0.5):
        plan.under_ceiling("ceiling lamp", over=table)
    small_things(plan, "plant", "floor lamp", "vase", "high chair", "plant", "basket")
    wall_things(plan, "picture", "picture", "clock", "wall lamp", "radiator", "mirror", count=3)


def nursery(plan: Plan) -> None:
    """A child's room: a small bed, a low table, toys and a dollhouse."""
    bed = need(plan.against_wall("bunk bed", "crib", "bed", at="corner", widest_m=1.3))
    plan.on(plan.beside(bed, "nightstand"), "table lamp", "teddy bear")
    chest = plan.against_wall("wardrobe", "dresser", "bookshelf", "chest", widest_m=1.7)
    plan.on(chest, *plan.pick("teddy bear", "toy", "radio", "gift"))
    if plan.maybe(0.5):
        workplace(plan)
    for name in plan.pick("dollhouse", "bookshelf", "changing table", "chest", "shelf", "mattress", count=3):
        plan.on(plan.against_wall(name), *plan.pick("teddy bear", "toy", "gift", "hat", "folded clothes"))
    if plan.maybe(0.6):
        plan.rug()
    small_things(plan, "rocking horse", "ball", "beanbag", "backpack", "child chair", "child chair", "guitar", "box")
    wall_things(plan, "picture", "picture", "clock", "radiator", "wall lamp", "coat hook")


def hobby_room(plan: Plan) -> None:
    """A place to play and train: a game table or machines, a bench, a cupboard."""
    tables = plan.pick("pool table", "foosball table", "ping pong table")
    machines = ("pinball machine", "treadmill", "exercise bench", "exercise bike", "punching bag", "workbench", "piano")
    need(plan.in_middle(tables[0]) or plan.against_wall(*machines, at="corner"))
    for name in plan.pick(*machines, count=2):
        plan.against_wall(name)
    seat = plan.against_wall("couch", "bench", "armchair", widest_m=2.2)
    table = plan.before(seat, "coffee table", (0.32, 0.5), facing=False) if seat else None
    plan.on(table, *plan.pick("chessboard", "bottle", "radio", "bowl"))
    for name in plan.pick("cabinet", "shelf", "chest", "dresser", "bookshelf", "wardrobe", count=2):
        plan.on(plan.against_wall(name), *plan.pick("radio", "speaker", "fan", "hat", "vase"))
    small_things(plan, "guitar", "ball", "ball", "backpack", "barrel", "stool", "ladder", "water cooler", "plant")
    wall_things(plan, "dartboard", "clock", "picture", "air conditioner", "wall lamp", "mirror")


def need_some(things: list[RoomObject]) -> list[RoomObject]:
    """The things, or ``Unfit`` where there are none."""
    if not things:
        raise Unfit
    return things


def small_things(plan: Plan, *names: str) -> None:
    """A few of those in corners and along the walls."""
    for name in plan.pick(*names, count=int(plan.rng.integers(2, 5))):
        plan.in_corner(name) or plan.against_wall(name)


def wall_things(plan: Plan, *names: str, count: int = 2) -> None:
    """A few of those on the walls; radiators may also stand."""
    for name in plan.pick(*names, count=count):
        plan.on_wall(name, bottom=1.5)


KINDS = (
    RoomKind("living room", (3.6, 5.2), (4.4, 6.8), (10, 16), 0.18, living_room, BATHROOM_MODELS | CHILDREN_MODELS),
    RoomKind("bedroom", (3.0, 4.4), (3.6, 5.4), (8, 16), 0.2, bedroom, BATHROOM_MODELS),
    RoomKind("office", (2.8, 4.6), (3.6, 6.2), (8, 16), 0.15, office, BATHROOM_MODELS | CHILDREN_MODELS),
    RoomKind("kitchen", (2.7, 4.2), (3.4, 5.6), (9, 16), 0.15, kitchen, BATHROOM_MODELS | CHILDREN_MODELS),
    RoomKind("bathroom", (2.2, 3.0), (2.6, 3.8), (6, 11), 0.1, bathroom, KITCHEN_MODELS),
    RoomKind("dining room", (3.3, 4.6), (3.9, 6.0), (8, 16), 0.1, dining_room, CHILDREN_MODELS),
    RoomKind("child's room", (2.8, 4.0), (3.4, 4.8), (7, 14), 0.06, nursery, BATHROOM_MODELS),
    RoomKind("hobby room", (3.8, 5.2), (4.4, 6.8), (8, 14), 0.06, hobby_room, CHILDREN_MODELS),
)
"""The kinds of rooms; their shares add up to 1."""
