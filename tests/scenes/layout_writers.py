"""The box room in each public layout, written as its publisher's tools write it."""

from __future__ import annotations

import functools
import json
import zlib
from pathlib import Path

import av
import lz4.block
import numpy as np
from box_rooms import box_room, paint, write_box_room
from PIL import Image
from scipy.spatial.transform import Rotation
from sens_writer import write_sens_scene

from loc3r.scenes.layouts.clip import Z_UP_FROM_Y_DOWN

FRAMES = 6
SIZE = {"width_px": 64, "height_px": 48}
FULL_FRAME = 12  # seconds of the second second of a recording: 0.1 s a frame from here


@functools.cache
def room_and_images(width_px: int = SIZE["width_px"], height_px: int = SIZE["height_px"]):
    """The room, its raw poses (T, 4, 4), frames and depth."""
    room = box_room(frames=FRAMES, width_px=width_px, height_px=height_px)
    frames, depth_mm, _ = paint(room)
    return room, room.raw_from_room @ room.poses, frames, depth_mm


def write_exported(root: Path) -> Path:
    return write_box_room(root, frames=FRAMES, **SIZE)


def write_sens(root: Path) -> Path:
    return write_sens_scene(root, frames=FRAMES)


def write_posed_images(root: Path, with_depth: bool = True) -> Path:
    """EmbodiedScan's extraction; MMDetection3D's where there is no depth."""
    room, poses, frames, depth_mm = room_and_images()
    folder = root / "posed_images" / "scene0001_00"
    folder.mkdir(parents=True)
    intrinsic = np.eye(4)
    intrinsic[:3, :3] = room.camera.matrix
    np.savetxt(folder / "intrinsic.txt", intrinsic, fmt="%f")
    if with_depth:
        np.savetxt(folder / "depth_intrinsic.txt", intrinsic, fmt="%f")
    for i in range(FRAMES):
        Image.fromarray(frames[i]).save(folder / f"{10 * i:05d}.jpg", quality=95)
        np.savetxt(folder / f"{10 * i:05d}.txt", poses[i], fmt="%f")
        if with_depth:
            Image.fromarray(depth_mm[i]).save(folder / f"{10 * i:05d}.png")
    scan = root / "scans" / "scene0001_00"
    scan.mkdir(parents=True)
    alignment = " ".join(map(str, np.linalg.inv(room.raw_from_room).ravel()))
    (scan / "scene0001_00.txt").write_text(f"axisAlignment = {alignment}\n")
    return folder


def write_arkit(root: Path, held: int = 0, video: str = "47333462") -> Path:
    """One video of ARKitScenes whose device was held so many quarter turns (clockwise) from upright."""
    room, poses, frames, depth_mm = room_and_images()
    matrix, (width, height) = np.array(room.camera.matrix), (room.camera.width_px, room.camera.height_px)
    clockwise = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # new axes in the old camera
    for _ in range(held):
        frames, depth_mm = np.rot90(frames, -1, (1, 2)), np.rot90(depth_mm, -1, (1, 2))
        poses = poses @ clockwise
        centre = height - 1 - matrix[1, 2], matrix[0, 2]
        matrix = np.array([[matrix[1, 1], 0, centre[0]], [0, matrix[0, 0], centre[1]], [0, 0, 1]])
        width, height = height, width
    folder = root / video / f"{video}_frames"
    for name in ("lowres_wide", "lowres_depth", "lowres_wide_intrinsics"):
        (folder / name).mkdir(parents=True)
    lines = []
    for i in range(FRAMES):
        stem, world_to_camera = f"{video}_{FULL_FRAME + i / 10:.3f}", np.linalg.inv(poses[i])
        Image.fromarray(np.ascontiguousarray(frames[i])).save(folder / "lowres_wide" / f"{stem}.png")
        Image.fromarray(np.ascontiguousarray(depth_mm[i])).save(folder / "lowres_depth" / f"{stem}.png")
        values = (width, height, matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
        pincam = f"{video}_{FULL_FRAME + i / 10 + (0.001 if i == 2 else 0):.3f}.pincam"  # as real ones are, at times
        (folder / "lowres_wide_intrinsics" / pincam).write_text(" ".join(map(str, values)))
        vector = Rotation.from_matrix(world_to_camera[:3, :3]).as_rotvec()
        numbers = (FULL_FRAME + i / 10 + 0.0004, *vector, *world_to_camera[:3, 3])
        lines.append(" ".join(f"{number:.9g}" for number in numbers))
    (folder / "lowres_wide.traj").write_text("\n".join(lines) + "\n")
    return root / video


def write_scannetpp(root: Path, released: bool = True) -> Path:
    """A ScanNet++ scene with rgb.mkv and depth.bin, or as the toolkit extracts it; colour is twice the depth's size."""
    room, poses, frames, depth_mm = room_and_images(256, 192)
    large = frames.repeat(2, 1).repeat(2, 2)
    folder = root / "data" / "0a5c013435" / "iphone"
    folder.mkdir(parents=True)
    intrinsic = np.diag([2.0, 2.0, 1.0]) @ room.camera.matrix
    intrinsic[:2, 2] += 0.5  # pixel edges scale, pixel centres don't
    entries = {
        f"frame_{i:06d}": {
            "timestamp": i / 60,
            "pose": np.eye(4).tolist(),
            "aligned_pose": pose.tolist(),
            "intrinsic": intrinsic.tolist(),
        }
        for i, pose in enumerate(poses)
    }
    (folder / "pose_intrinsic_imu.json").write_text(json.dumps(entries))
    if released:
        write_video(folder / "rgb.mkv", large)
        (folder / "depth.bin").write_bytes(b"".join(depth_record(depth, i) for i, depth in enumerate(depth_mm)))
    else:
        for name in ("rgb", "depth"):
            (folder / name).mkdir()
        for i in range(FRAMES):
            Image.fromarray(large[i]).save(folder / "rgb" / f"frame_{i:06d}.jpg", quality=95)
            Image.fromarray(depth_mm[i]).save(folder / "depth" / f"frame_{i:06d}.png")
    return folder.parent


def depth_record(depth_mm, number: int) -> bytes:
    """A frame of depth.bin: lz4 of millimetres, and for odd frames deflate of metres; both occur."""
    if number % 2:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = packer.compress((depth_mm / 1000).astype("<f4").tobytes()) + packer.flush()
    else:
        data = lz4.block.compress(depth_mm.astype("<u2").tobytes(), store_size=False)
    return len(data).to_bytes(4, "little") + data


def write_posed_video(root: Path, numbers=None) -> Path:
    """A folder with a video and its cameras; ``numbers`` are the pictures whose pose is known."""
    room, poses, frames, _ = room_and_images()
    folder = root / "kitchen"
    folder.mkdir(parents=True)
    write_video(folder / "kitchen.mp4", frames)
    known = list(range(FRAMES)) if numbers is None else list(numbers)
    cameras = {
        "K": np.asarray(room.camera.matrix).tolist(),
        "cam2world_opencv": [(np.linalg.inv(Z_UP_FROM_Y_DOWN) @ poses[i]).tolist() for i in known],
        "source_index": known,
    }
    (folder / "meta.json").write_text(json.dumps(cameras))
    return folder


def write_video(path: Path, frames) -> None:
    """Frames (T, H, W, 3) as MPEG-4 with key frames every five pictures and pictures that refer to later ones."""
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=10, pix_fmt="yuv420p", bit_rate=20_000_000)
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = 5, 2
        for rgb in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")))
        container.mux(stream.encode())
