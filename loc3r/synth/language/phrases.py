"""The wordings of situations. ``{x}`` is the place, ``{y}`` what is faced or at one's side, ``{z}`` the second place.

They follow SQA3D's train texts: "I am sitting", "facing", "standing", things being done at furniture, and
what is left, right or behind; 17 words on average once a remark is added.
"""

from __future__ import annotations

WORDINGS: dict[str, tuple[str, ...]] = {
    "sit_facing": (
        "I am sitting on the {x} facing the {y}",
        "I am sitting on the {x} and looking at the {y}",
        "I am sitting on the {x} while facing the {y} in the room",
        "Sitting on the {x}, I am facing the {y}",
        "I sat down on the {x} and turned towards the {y}",
        "I am seated on the {x} with the {y} in front of me",
        "I am relaxing on the {x} and my eyes are on the {y}",
        "Facing the {y} while sitting on the {x}",
        "I am facing the {y} while I am sitting on the {x}",
    ),
    "sit": (
        "I am sitting on the {x}",
        "I am sitting on the {x} and taking a short break",
        "I am sitting on the {x}, leaning back and relaxing",
        "I sat down on the {x} to rest for a while",
        "Sitting on the {x} and thinking about my day",
        "I am seated on the {x} and waiting for my friends",
    ),
    "sit_at": (
        "I am sitting on the {x} at the {y}",
        "I am sitting on the {x} in front of the {y} and working",
        "I am seated on the {x} at the {y} writing a letter",
        "I sat down on the {x} at the {y} to do some work",
        "Sitting at the {y} on the {x}",
        "I am facing the {y} while sitting on the {x} in front of it",
    ),
    "stand_facing": (
        "I am standing next to the {x} and facing the {y}",
        "I am standing by the {x} facing the {y}",
        "I am standing beside the {x} while looking at the {y}",
        "Standing next to the {x} and looking towards the {y}",
        "I am facing the {y} while standing by the {x}",
        "I am facing the {y} and there is the {x} right next to me",
        "Facing the {y}, I am standing beside the {x}",
        "I am looking at the {y} from right next to the {x}",
        "I got up and stopped by the {x} to look at the {y}",
    ),
    "in_front_of": (
        "I am standing in front of the {x}",
        "I am standing right in front of the {x} and looking at it",
        "I am facing the {x}, standing right in front of it",
        "I am facing the {x} from one step away",
        "I walked up to the {x} and I am facing it",
        "Facing the {x} and standing directly in front of it",
        "I am standing in front of the {x} so that I can touch it",
    ),
    "back_to": (
        "I am standing in front of the {x} with my back to it",
        "I am standing with the {x} right behind me, looking into the room",
        "I am facing away from the {x} and standing right in front of it",
        "I have my back to the {x}, which is one step behind me",
        "Standing with my back turned to the {x} right behind me",
    ),
    "between": (
        "I am standing between the {x} and the {z} facing the {y}",
        "I am standing in between the {x} and the {z} and looking at the {y}",
        "I am facing the {y} while standing between the {x} and the {z}",
        "Standing between the {x} and the {z}, I look at the {y}",
        "I am walking between the {x} and the {z} towards the {y}",
    ),
    "enter": (
        "I just came in through the {x}",
        "I have just entered the room through the {x}",
        "I just walked into the room through the {x} and stopped",
        "I am entering the room with the {x} right behind me",
        "I opened the {x} and I am walking into the room",
    ),
    "leave": (
        "I am about to leave the room through the {x}",
        "I am opening the {x} to leave the room",
        "I am walking out of the room and reaching for the {x}",
        "I want to go out and I am standing at the {x} with my hand on it",
    ),
    "enter_facing": (
        "I just came in through the {x} and I am looking at the {y}",
        "I have just entered through the {x} and I am facing the {y}",
        "I am facing the {y} after coming in through the {x}",
        "I am standing at the {x} and looking at the {y}",
    ),
    "sides_left": (
        "I am standing next to the {x} with the {y} exactly on my left",
        "I am standing by the {x} and the {y} is directly to my left",
        "Standing beside the {x} with the {y} straight to my left",
    ),
    "sides_right": (
        "I am standing next to the {x} with the {y} exactly on my right",
        "I am standing by the {x} and the {y} is directly to my right",
        "Standing beside the {x} with the {y} straight to my right",
    ),
    "sides_behind": (
        "I am standing next to the {x} with the {y} exactly behind me",
        "I am standing by the {x} and the {y} is directly behind me",
        "Standing beside the {x} with my back turned straight to the {y}",
    ),
    "lying": (
        "I am lying on the {x}",
        "I am lying on the {x} and trying to sleep",
        "I am laying on the {x} on my back and resting",
        "I just woke up and I am still lying on the {x}",
        "Lying on the {x} and reading a book",
    ),
    "middle_facing": (
        "I am standing in the middle of the room facing the {y}",
        "I am standing in the center of the room and looking at the {y}",
        "I am facing the {y} from the middle of the room",
        "I am walking from the middle of the room towards the {y}",
        "Facing the {y} while standing in the center of the room",
    ),
}

USES: dict[str, tuple[str, ...]] = {
    "sink": ("washing my hands at the {x}", "washing the dishes in the {x}", "brushing my teeth over the {x}"),
    "stove": ("cooking dinner on the {x}", "boiling some water on the {x}"),
    "oven": ("baking a cake in the {x}", "taking a pizza out of the {x}"),
    "refrigerator": ("getting some food out of the {x}", "looking for a drink in the {x}"),
    "freezer": ("taking some ice out of the {x}",),
    "microwave": ("heating my soup in the {x}",),
    "washing machine": ("putting my clothes in the {x}", "loading the {x}"),
    "dryer": ("taking my clothes out of the {x}",),
    "window": ("looking out of the {x}", "opening the {x} to let some air in"),
    "bookshelf": ("picking a book from the {x}", "looking for a book on the {x}"),
    "shelf": ("putting something on the {x}",),
    "wardrobe": ("getting my clothes out of the {x}", "opening the {x}"),
    "dresser": ("opening a drawer of the {x}", "putting my socks in the {x}"),
    "cabinet": ("opening the {x}", "getting some papers out of the {x}"),
    "kitchen cabinet": ("chopping vegetables on the {x}", "getting a plate out of the {x}"),
    "filing cabinet": ("looking for a file in the {x}",),
    "tv": ("turning on the {x}", "changing the channel on the {x}"),
    "wall tv": ("turning on the {x}",),
    "printer": ("printing a few pages on the {x}",),
    "whiteboard": ("writing on the {x}",),
    "radiator": ("turning up the {x}",),
    "fireplace": ("warming my hands at the {x}", "putting some wood in the {x}"),
    "mirror": ("looking at myself in the {x}",),
    "toilet": ("flushing the {x}",),
    "bathtub": ("filling the {x} with water",),
    "shower": ("turning on the {x}",),
    "water cooler": ("getting some water from the {x}",),
    "picture frame": ("admiring the {x}",),
    "fish tank": ("feeding the fish in the {x}",),
    "curtain": ("closing the {x}",),
    "towel rack": ("hanging a towel on the {x}",),
    "fire extinguisher": ("checking the {x}",),
    "dartboard": ("pulling the darts out of the {x}",),
}

USING = ("I am {use}", "I am {use} while standing in front of it", "I am standing here and {use}")

REMARKS: dict[str, tuple[str, ...]] = {
    "left": (
        " and there is {a_t} on my left",
        " while there is {a_t} to my left",
        " and the {t} is on my left side",
        ", the {t} is on my left",
    ),
    "right": (
        " and there is {a_t} on my right",
        " while there is {a_t} to my right",
        " and the {t} is on my right side",
        ", the {t} is on my right",
    ),
    "behind": (
        " and there is {a_t} behind me",
        " while the {t} is behind me",
        " and behind me is the {t}",
        ", the {t} is behind me",
    ),
}
"""Added to a situation: a true remark about one more thing, ``{t}``."""
