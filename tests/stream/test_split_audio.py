"""Recordings out of WAV files: made ones of several rates, channels and lengths, and what is none."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.split_audio import split_audio
from lifelong_kd.stream.wav import LogMel, read_wav, spectrograms
from lifelong_kd.stream.wav_names import named, pattern_of
from lifelong_kd.testing import check_stream
from tests.stream.recordings import PATTERN, SMALL, recordings, tone, write

HOW = LogMel(**SMALL)


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    for package in ("librosa", "soundfile"):
        pytest.importorskip(package)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recordings(tmp_path_factory.mktemp("spoken"))


def test_a_tone_lies_in_its_band_and_silence_is_filled_in(tmp_path: Path):
    paths = [write(tmp_path / f"{pitch}.wav", tone(pitch, seconds=0.1)) for pitch in (300, 1500)]
    x = spectrograms(paths, HOW)
    assert x.shape == (2, 1, 8, 1 + 1000 // 64) and x.dtype == torch.float32
    low, high = x[:, 0, :, 2].argmax(dim=1).tolist()
    assert low < high
    # From 0.1 s on there is silence: -100 dB, the least that a power is taken for.
    assert (x[..., -3:] < -99.99).all() and x.max() > -10


def test_a_recording_does_not_depend_on_those_beside_it(tmp_path: Path):
    paths = [write(tmp_path / f"{k}.wav", (0.1 + k) * tone(400)) for k in range(3)]
    whole = spectrograms(paths, HOW)
    torch.testing.assert_close(
        whole, torch.cat([spectrograms([path], HOW) for path in paths]), atol=1e-3, rtol=0
    )


def test_rates_and_channels_are_brought_together(tmp_path: Path):
    mono = read_wav(write(tmp_path / "mono.wav", tone(300)), 4000)
    stereo = read_wav(write(tmp_path / "stereo.wav", tone(300, channels=2)), 4000)
    fast = read_wav(write(tmp_path / "fast.wav", tone(300, rate=8000), 8000), 4000)
    assert np.array_equal(mono, stereo) and len(fast) == len(mono) == 1000
    assert np.abs(fast[50:-50] - mono[50:-50]).max() < 0.01
    left = tone(300, channels=2)
    left[:, 1] = 0
    assert np.allclose(read_wav(write(tmp_path / "left.wav", left), 4000), mono / 2)


def test_what_is_no_recording_names_its_file(tmp_path: Path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF and then nothing")
    with pytest.raises(BadCall, match=r"broken\.wav cannot be read as a recording"):
        read_wav(broken, 4000)
    with pytest.raises(BadCall, match=r"empty\.wav is a recording of no samples"):
        read_wav(write(tmp_path / "empty.wav", tone(300)[:0]), 4000)
    with pytest.raises(BadCall, match=r"nan\.wav has samples that are not finite"):
        read_wav(write(tmp_path / "nan.wav", tone(300) * np.nan), 4000)


def test_names_say_label_speaker_and_index(spoken: Path):
    source = split_audio(spoken, Seeds(0), pattern=PATTERN, test={"index": [0, "1"]}, **SMALL)
    assert source.class_names == ("0", "1", "2", "3") and source.kind == "recordings"
    assert torch.bincount(source.test.y).tolist() == [4, 4, 4, 4] and len(source.train.y) == 32
    assert {about["index"] for about in source.test.metadata or []} == {"0", "1"}
    # The label is what is to be found out: a rule over metadata must not read it there.
    assert all(set(about) == {"speaker", "index"} for about in source.train.metadata or [])
    check_stream(
        lambda: build_stream(
            "made",
            split_audio(spoken, Seeds(0), pattern=PATTERN, test={"index": [0, 1]}, **SMALL),
            experiences=2,
            normalize="auto",
            seeds=Seeds(0),
        )
    )


def test_normalised_by_the_first_task(spoken: Path):
    source = split_audio(spoken, Seeds(0), pattern=PATTERN, **SMALL)
    stream = build_stream("made", source, experiences=2, normalize="auto", seeds=Seeds(0))
    part = stream.parts["train"][0]
    x = stream.transforms.eval(part.gather(torch.arange(len(part))))
    assert x.mean().abs() < 1e-4 and (x.std(correction=0) - 1).abs() < 1e-4
    with pytest.raises(BadCall, match="stream has recordings"):
        build_stream("made", source, experiences=2, augment=[object()], seeds=Seeds(0))


def test_each_speaker_is_a_domain(spoken: Path):
    source = split_audio(spoken, Seeds(0), pattern=PATTERN, domain="speaker", **SMALL)
    stream = build_stream(
        "made", source, scenario="domain", experiences=2, class_order=[0, 1], seeds=Seeds(0)
    )
    for split in ("train", "valid", "test"):
        for name, part in zip(("ann", "bob"), stream.parts[split], strict=True):
            assert {part.about(position)["speaker"] for position in range(len(part))} == {name}


def test_folders_of_classes_and_of_splits(tmp_path: Path):
    for split, count in (("train", 3), ("test", 2)):
        for label in ("no", "yes"):
            for number in range(count):
                write(tmp_path / split / label / f"{number}.wav", tone(300 + 50 * number))
    source = split_audio(tmp_path, Seeds(0), **SMALL)
    assert (len(source.train.y), len(source.test.y)) == (6, 4) and source.class_names == ("no", "yes")
    assert source.valid is None
    write(tmp_path / "valid" / "no" / "0.WAV", tone(300))
    (tmp_path / "valid" / "no" / "._0.wav").write_bytes(b"left by a file system")
    with_valid = split_audio(tmp_path, Seeds(0), **SMALL)
    assert with_valid.valid is not None and with_valid.valid.y.tolist() == [0]
    unknown = write(tmp_path / "valid" / "maybe" / "0.wav", tone(300))
    with pytest.raises(BadCall, match="no training recording has the label 'maybe'"):
        split_audio(tmp_path, Seeds(0), **SMALL)
    unknown.unlink()
    shared = split_audio(tmp_path, Seeds(0), path="train", test=0.4, **SMALL)
    assert torch.bincount(shared.test.y).tolist() == [1, 1]
    (tmp_path / "test" / "yes" / "0.wav").unlink()
    (tmp_path / "test" / "yes" / "1.wav").unlink()
    with pytest.raises(BadCall, match=r"'yes' \(only to train\)"):
        split_audio(tmp_path, Seeds(0), **SMALL)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"test": {"indx": [0]}}, "no field 'indx' but label, speaker, index. Did you mean 'index'?"),
        ({"test": {"index": [77]}}, "no recording has the index '77'"),
        ({"test": {"speaker": ["ann", "bbo"]}}, "no recording has the speaker 'bbo'. Did you mean 'bob'?"),
        ({"test": {"speaker": ["ann", "bob"]}}, "every recording has a speaker"),
        ({"test": {"index": [0], "speaker": ["ann"]}}, "names one field"),
        ({"test": 1.0}, "above 0 and below 1"),
        ({"domain": "speker"}, "Did you mean 'speaker'?"),
        ({"pattern": "{label}-{index}.wav"}, "does not fit stream.pattern"),
        ({"pattern": "{speaker}.wav"}, "no field {label}"),
        ({"pattern": "{label}_{label}.wav"}, "each once"),
        ({"seconds": 0.01}, "fewer than those of stream.window"),
        ({"hop": 0}, "stream.hop must be greater than 0"),
        ({"mels": 200}, "more bands than a window"),
    ],
)
def test_options_that_do_not_fit(spoken: Path, options: dict, says: str):
    with pytest.raises(BadCall) as caught:
        split_audio(spoken, Seeds(0), **{"pattern": PATTERN, **SMALL, **options})
    assert says in str(caught.value)


def test_missing_folders(tmp_path: Path):
    with pytest.raises(DataMissing, match=r"stream\.path"):
        split_audio(tmp_path, Seeds(0), path="nowhere")
    with pytest.raises(BadCall, match=r"no \.wav file"):
        split_audio(tmp_path, Seeds(0))


def test_a_pattern_is_of_paths(tmp_path: Path):
    assert pattern_of("{speaker}/{label}-{n}.wav").fullmatch("ann/yes-3.wav")["label"] == "yes"
    assert pattern_of("{label}.wav").fullmatch("a/b.wav") is None
    assert pattern_of("{label}+.wav").fullmatch("aa.wav") is None
    write(tmp_path / "x" / "b.wav", tone(300))
    assert [about for _, about in named(tmp_path, "{label}/{name}.wav")] == [{"label": "x", "name": "b"}]
