"""The decoder's processes: bounded in time and memory, replaced when lost, gone with their parent."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from PIL import Image

from chalicelib.errors import BadFile
from chalicelib.model.ingest.files import FileLimits
from chalicelib.providers.ingest.decoder import Decoder
from tests.support.processes import ROOT, helper_of, wait_until
from tests.support.small_files import LIMITS, RED, encode, make_slow_pdf


def test_memory_is_bounded(save):
    greedy = save(encode(Image.new("1", (5400, 5400)), "PNG"))
    decoder = Decoder(limits=FileLimits(memory_bytes=16 * 1024 * 1024))
    with pytest.raises(BadFile) as refused:
        decoder.decode(greedy)
    assert refused.value.code == "too_much_memory"
    assert decoder.decode(save(encode(RED, "PNG"))).width_px == 40
    decoder.close()


def test_time_is_bounded(save):
    decoder = Decoder(limits=FileLimits(timeout_s=0.5))
    start = time.monotonic()
    with pytest.raises(BadFile) as refused:
        decoder.decode(save(make_slow_pdf()))
    assert refused.value.code == "too_slow"
    assert time.monotonic() - start < 15
    decoder.close()


def test_a_crash_fails_its_file_and_no_other(save):
    decoder = Decoder(limits=LIMITS)
    small, slow = save(encode(RED, "PNG"), "small"), save(make_slow_pdf(), "slow")
    helper = helper_of(decoder, small)
    assert wait_until(lambda: len(helper.children()) == 1)
    (child,) = helper.children()
    with ThreadPoolExecutor() as threads:
        crashing = threads.submit(decoder.decode, slow)
        assert wait_until(lambda: len(helper.children()) == 2)  # the next one is there: this one is at work
        waiting = threads.submit(decoder.decode, small)
        child.send_signal(signal.SIGSEGV)
        error = crashing.exception(timeout=60)
        assert isinstance(error, BadFile)
        assert error.code == "decoder_crashed"
        assert waiting.result(timeout=60).width_px == 40
    decoder.close()


def test_a_lost_helper_is_replaced(save):
    decoder = Decoder(limits=LIMITS)
    small = save(encode(RED, "PNG"))
    helper = helper_of(decoder, small)
    helper.kill()
    assert decoder.decode(small).width_px == 40
    decoder.close()
    assert wait_until(lambda: not helper.is_running())
    assert decoder.decode(small).width_px == 40
    decoder.close()


def test_a_child_decodes_one_file_and_the_next_child_waits(save):
    decoder = Decoder(limits=LIMITS)
    small = save(encode(RED, "PNG"))
    helper = helper_of(decoder, small)
    pids = set()
    for _ in range(3):
        assert wait_until(lambda: len(helper.children()) == 1)
        pids.add(helper.children()[0].pid)
        decoder.decode(small)
    assert len(pids) == 3
    decoder.close()


def test_a_child_lost_while_it_waits_is_replaced(save):
    decoder = Decoder(limits=LIMITS)
    small = save(encode(RED, "PNG"))
    helper = helper_of(decoder, small)
    assert wait_until(lambda: len(helper.children()) == 1)
    (waiting,) = helper.children()
    waiting.kill()
    assert wait_until(lambda: waiting.status() == psutil.STATUS_ZOMBIE)
    assert decoder.decode(small).width_px == 40
    assert helper.is_running()
    decoder.close()


def test_the_helper_sees_no_secrets(save, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://someone:secret@host/db")
    decoder = Decoder(limits=LIMITS)
    helper = helper_of(decoder, save(encode(RED, "PNG")))
    environment = helper.environ()
    decoder.close()
    assert "PYTHONPATH" in environment
    assert "secret" not in str(environment)


def test_nothing_outlives_a_killed_parent(save):
    code = """if True:
        import sys
        from chalicelib.model.ingest.files import FileLimits
        from chalicelib.providers.ingest.decoder import Decoder
        Decoder(limits=FileLimits(timeout_s=60)).decode(sys.argv[1])
    """
    parent = subprocess.Popen([sys.executable, "-c", code, save(make_slow_pdf())], cwd=ROOT)
    process = psutil.Process(parent.pid)
    assert wait_until(lambda: len(process.children(recursive=True)) == 3)
    family = process.children(recursive=True)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not any(child.is_running() for child in family))


def test_a_hostile_file_does_not_grow_this_process(decoder, save):
    decoder.decode(save(encode(RED, "PNG")))
    before = psutil.Process().memory_info().rss
    decoder.decode(save(encode(Image.new("L", (5400, 5400)), "PNG")))
    grown = psutil.Process().memory_info().rss - before
    assert grown < 50 * 1024 * 1024
