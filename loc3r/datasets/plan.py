"""What to fetch for each benchmark: files, sizes, licence and whom to ask. Nothing is downloaded.

Sizes of annotation files are of files read here; those of VSI-Bench's archives are its page's; ScanNet's is what its
users report. ``None`` is unknown, and is printed so: no size here is a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

from loc3r.errors import DataError


@dataclass(frozen=True)
class DataFile:
    """A file, or a family of them, and what it is for."""

    name: str
    purpose: str
    size: str | None = None


@dataclass(frozen=True)
class Plan:
    """What a data set takes to have."""

    name: str
    title: str
    licence: str
    access: str
    """Where to ask or to download."""
    files: tuple[DataFile, ...]
    scans: tuple[str, ...] = ()
    """Data sets whose scans it asks about."""
    place: str = ""
    """Where ``loc3r prepare`` looks for the files, below the data set's root."""
    note: str = ""

    def lines(self) -> list[str]:
        """The plan as text."""
        wide = max(len(file.name) for file in self.files)
        sizes = [file.size or "size unknown" for file in self.files]
        rows = [
            f"  {file.name:<{wide}}  {size:>{max(map(len, sizes))}}  {file.purpose}"
            for file, size in zip(self.files, sizes, strict=True)
        ]
        head = [f"{self.name}: {self.title}", f"licence: {self.licence}", f"access:  {self.access}"]
        head += [f"place:   {self.place}"] if self.place else []
        tail = [f"scans:   of {', '.join(self.scans)} (loc3r data plan {self.scans[0]})"] if self.scans else []
        return [*head, *rows, *tail, *([f"note:    {self.note}"] if self.note else [])]


def plan_of(name: str) -> Plan:
    """The plan of a data set.

    Raises:
        DataError: there is none of that name.
    """
    if name not in PLANS:
        raise DataError("no plan for this data set", received=name, expected=", ".join(PLANS))
    return PLANS[name]


_PLANS = (
    Plan(
        "scannet",
        "1,513 RGB-D scans of rooms, the scenes of SQA3D, ScanQA, MSQA and Beacon3D",
        "ScanNet Terms of Use (non-commercial); a signed form",
        "http://www.scan-net.org: send the signed agreement to scannet@googlegroups.com, a download script comes back",
        (
            DataFile("<scene>.sens", "colour, depth, poses and intrinsics of every frame"),
            DataFile("<scene>.txt", "axis alignment"),
            DataFile("<scene>_vh_clean_2.ply", "mesh: the origin of SQA3D's positions"),
            DataFile("<scene>_vh_clean_2.0.010000.segs.json", "segments, for boxes"),
            DataFile("<scene>.aggregation.json", "segments of each object, for boxes"),
        ),
        place="scans/<scene>/",
        note="the whole release is 1.2 to 1.5 TB; only these files are read, and every n-th frame of a .sens",
    ),
    Plan(
        "scannetpp",
        "high-resolution scans of rooms, scenes of VSI-Bench",
        "ScanNet++ Terms of Use (non-commercial); an application",
        "https://github.com/scannetpp/scannetpp names the site where to apply",
        (
            DataFile("data/<scene>/iphone/rgb.mp4", "video of the phone; the DSLR's frames are another camera's"),
            DataFile("data/<scene>/iphone/depth.bin", "depth of the phone", "608 GB for 968 scenes"),
            DataFile("data/<scene>/iphone/pose_intrinsic_imu.json", "poses and intrinsics"),
        ),
        place="scans/<scene>/",
    ),
    Plan(
        "arkitscenes",
        "5,047 phone captures of 1,661 scenes, scenes of VSI-Bench",
        "CC BY-NC-SA 4.0",
        "https://github.com/apple/ARKitScenes: download_data.py",
        (
            DataFile("lowres_wide/", "colour frames; many are turned by 90 or 180 degrees"),
            DataFile("lowres_depth/", "depth"),
            DataFile("lowres_wide.traj", "poses"),
            DataFile("<video>_3dod_annotation.json", "boxes"),
        ),
        place="scans/<video>/",
    ),
    Plan(
        "sqa3d",
        "situated questions and the localisation task: 33.4k questions, 20.4k situation texts with poses",
        "CC BY 4.0",
        "https://zenodo.org/record/7544818/files/sqa_task.zip",
        (
            DataFile("v1_balanced_questions_{train,val,test}_scannetv2.json", "questions", "val 1.4 MB"),
            DataFile("v1_balanced_sqa_annotations_{train,val,test}_scannetv2.json", "answers, poses", "val 1.1 MB"),
            DataFile("v1_situations_{train,val,test}_scannetv2.json", "situation texts", "train 2.9 MB, val 0.4 MB"),
            DataFile(
                "v1_localization_annotations_{train,val,test}_scannetv2.json", "their poses", "train 3.5 MB, val 0.4 MB"
            ),
        ),
        scans=("scannet",),
        place="annotations/sqa3d/",
    ),
    Plan(
        "scanqa",
        "questions about a room: 26,515 to train on as question and answer, 4,675 in val; test answers are hidden",
        "CC BY-NC-SA 3.0",
        "https://github.com/ATR-DBI/ScanQA",
        (
            DataFile("ScanQA_v1.0_train.json", "questions, answers, objects"),
            DataFile("ScanQA_v1.0_val.json", "questions, answers, objects", "1.3 MB"),
            DataFile("ScanQA_v1.0_test_w_obj.json", "questions of scenes whose objects are public", "0.6 MB"),
            DataFile("ScanQA_v1.0_test_wo_obj.json", "questions of the other scenes", "0.8 MB"),
        ),
        scans=("scannet",),
        place="annotations/scanqa/",
    ),
    Plan(
        "msqa",
        "situated questions with places, and headings in training; the ScanNet part is used",
        "CC BY-NC-SA 4.0",
        "https://github.com/MSR3D/MSR3D",
        (
            DataFile("msqa_scannet_train*.json", "situations, questions, answers, poses"),
            DataFile("msqa_scannet_test*.json", "the same; the subset of 827 has no headings", "827 rows 0.4 MB"),
        ),
        scans=("scannet",),
        place="annotations/msqa/",
        note="its places are axis-aligned: they need the scans' axisAlignment",
    ),
    Plan(
        "vsibench",
        "5,130 questions about 288 videos of ScanNet, ScanNet++ and ARKitScenes; a test set",
        "Apache-2.0 for the questions; the videos keep their sources' terms",
        "https://huggingface.co/datasets/nyu-visionx/VSI-Bench",
        (
            DataFile("test.jsonl", "questions, options, answers", "1.6 MB"),
            DataFile("scannet.zip", "videos", "2.9 GB"),
            DataFile("scannetpp.zip", "videos", "1.0 GB"),
            DataFile("arkitscenes.zip", "videos", "1.8 GB"),
            DataFile("scannet_meta_info_val.json", "boxes of 67 rooms", "0.5 MB"),
            DataFile("scannetpp_meta_info_val.json", "boxes of 50 rooms", "1.4 MB"),
            DataFile("arkitscenes_meta_info_val.json", "boxes of 150 rooms", "1.1 MB"),
        ),
        scans=("scannet", "scannetpp", "arkitscenes"),
        place="annotations/vsibench/",
    ),
    Plan(
        "beacon3d",
        "1,155 questions about 385 objects of 16 ScanNet scenes; a test set",
        "Apache-2.0",
        "https://github.com/beacon-3d/Beacon3D",
        (
            DataFile("scannet_qa.json", "questions, answers, objects", "0.3 MB"),
            DataFile("metadata_scannet_qa.json", "the same by object, for the object score", "0.3 MB"),
            DataFile("scannet_grounding.json", "utterances that name an object; not a question, not read", "0.3 MB"),
        ),
        scans=("scannet",),
        place="annotations/beacon3d/",
    ),
)
PLANS: dict[str, Plan] = {plan.name: plan for plan in _PLANS}
"""The plans by data set."""
