from pathlib import Path

from yt360.shards.builder.inputs.input_video import fingerprint_of, merge_inputs
from yt360.shards.builder.inputs.search import find_inputs


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_merged_searches_keep_the_first_of_inputs_with_the_same_id(tmp_path):
    touch(tmp_path, "one/b.mp4", "one/z.wav", "two/a.mp4", "two/b.mp4", "two/notes.txt")
    merged = merge_inputs([find_inputs([tmp_path / folder]) for folder in ("one", "two")])
    assert [str(item.video.parent.name) for item in merged.videos] == ["two", "one"]
    assert sorted(item.reason for item in merged.rejected) == ["no-video", "same-name"]
    assert merged.ignored == 1


def test_a_fingerprint_notices_size_begin_end_and_sound(tmp_path):
    touch(tmp_path, "a.mp4")

    def fingerprint() -> str:
        return fingerprint_of(find_inputs([tmp_path]).videos[0])

    seen = {fingerprint()}
    for content in (bytes(200_000), bytes(200_001), b"x" + bytes(200_000), bytes(200_000) + b"x"):
        (tmp_path / "a.mp4").write_bytes(content)
        seen.add(fingerprint())
    touch(tmp_path, "a.wav")
    seen.add(fingerprint())
    assert len(seen) == 6
    assert fingerprint() in seen
