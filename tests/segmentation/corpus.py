"""Files of every form, with exactly what reading them must give: pixels, or one sentence."""

from tests.segmentation.corpus_arrays import ARRAYS, DICOMS
from tests.segmentation.corpus_broken import BROKEN
from tests.segmentation.corpus_pictures import PICTURES
from tests.segmentation.corpus_tiffs import TIFFS
from tests.segmentation.corpus_tools import Case

CASES: list[Case] = [*PICTURES, *TIFFS, *DICOMS, *ARRAYS, *BROKEN]
