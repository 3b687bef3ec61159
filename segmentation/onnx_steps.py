"""What is done to a picture before and after the network, in ONNX's own text form (``onnx.parser``).

Each function gives nodes that compute ``result`` from ``source``; the names between them begin with the step's own.
They say what :class:`segmentation.Preprocessing` and :class:`segmentation.Segmenter` do, and tests hold them equal.
"""

from segmentation.preprocessing import Preprocessing

DOUBLE, FLOAT, INT64 = 11, 1, 7  # onnx.TensorProto's numbers, which Cast asks for


def pad(stride: int, source: str, result: str) -> str:
    """Repeat the border at the bottom and right until ``stride`` divides both sides; leaves ``pad_sides``."""
    return f"""
        pad_sides = Shape <start = 2> ({source})
        pad_stride = Constant <value = int64[2] {{{stride}, {stride}}}> ()
        pad_almost = Constant <value = int64[2] {{{stride - 1}, {stride - 1}}}> ()
        pad_reached = Add (pad_sides, pad_almost)
        pad_cells = Div (pad_reached, pad_stride)
        pad_whole = Mul (pad_cells, pad_stride)
        pad_missing = Sub (pad_whole, pad_sides)
        pad_none = Constant <value = int64[6] {{0, 0, 0, 0, 0, 0}}> ()
        pad_counts = Concat <axis = 0> (pad_none, pad_missing)
        {result} = Pad <mode = "edge"> ({source}, pad_counts)
    """


def crop(source: str, result: str) -> str:
    """Cut off what :func:`pad` added."""
    return f"""
        crop_start = Constant <value = int64[2] {{0, 0}}> ()
        crop_axes = Constant <value = int64[2] {{2, 3}}> ()
        {result} = Slice ({source}, crop_start, pad_sides, crop_axes)
    """


def magnify(factor: float, source: str, result: str) -> str:
    """Resize as OpenCV does: bilinear to enlarge, averages of areas to reduce; leaves ``magnify_sides``."""
    sizes = f"""
        magnify_sides = Shape <start = 2> ({source})
        magnify_before = Cast <to = {DOUBLE}> (magnify_sides)
        magnify_factor = Constant <value = double {{{factor!r}}}> ()
        magnify_exact = Mul (magnify_before, magnify_factor)
        magnify_rounded = Round (magnify_exact)
        magnify_one = Constant <value = double {{1.0}}> ()
        magnify_after = Max (magnify_rounded, magnify_one)
    """
    if factor >= 1:
        return f"""{sizes}
            magnify_target = Cast <to = {INT64}> (magnify_after)
            {_bilinear(source, "magnify_target", result)}
        """
    return f"""{sizes}
        magnify_scales = Div (magnify_before, magnify_after)
        magnify_zero = Constant <value = double {{0.0}}> ()
        magnify_least = Constant <value = double {{0.001}}> ()
        {_area_weights("rows", 0)}
        {_area_weights("columns", 1)}
        magnify_columns_turned = Transpose <perm = [1, 0]> (magnify_columns_weights)
        magnify_lower = MatMul (magnify_rows_weights, {source})
        {result} = MatMul (magnify_lower, magnify_columns_turned)
    """


def shrink(source: str, result: str) -> str:
    """Bring maps back to the size that the picture had before :func:`magnify`."""
    return _bilinear(source, "magnify_sides", result)


def _bilinear(source: str, sides: str, result: str) -> str:
    # Pixels are areas with their value in the middle ("half_pixel", the default), as in OpenCV.
    return f"""
        {result}_outer = Shape <end = 2> ({source})
        {result}_sizes = Concat <axis = 0> ({result}_outer, {sides})
        {result} = Resize <mode = "linear"> ({source}, , , {result}_sizes)
    """


def _area_weights(name: str, axis: int) -> str:
    """Share of each pixel (column) in each pixel of the smaller picture (row), along one axis."""
    own = f"magnify_{name}"
    return f"""
        {own}_index = Constant <value = int64 {{{axis}}}> ()
        {own}_before = Gather (magnify_before, {own}_index)
        {own}_after = Gather (magnify_after, {own}_index)
        {own}_scale = Gather (magnify_scales, {own}_index)
        {own}_inner = Range (magnify_zero, {own}_before, magnify_one)
        {own}_outer = Range (magnify_zero, {own}_after, magnify_one)
        {own}_outer_axis = Constant <value = int64[1] {{1}}> ()
        {own}_standing = Unsqueeze ({own}_outer, {own}_outer_axis)
        {own}_begin = Mul ({own}_standing, {own}_scale)
        {own}_end = Add ({own}_begin, {own}_scale)
        {own}_inner_end = Add ({own}_inner, magnify_one)
        {own}_last = Min ({own}_end, {own}_inner_end)
        {own}_first = Max ({own}_begin, {own}_inner)
        {own}_overlap = Sub ({own}_last, {own}_first)
        {own}_counts = Greater ({own}_overlap, magnify_least)
        {own}_kept = Where ({own}_counts, {own}_overlap, magnify_zero)
        {own}_shares = Div ({own}_kept, {own}_scale)
        {own}_weights = Cast <to = {FLOAT}> ({own}_shares)
    """


def stretch(preprocessing: Preprocessing, source: str, result: str) -> str:
    """Measure each picture of a batch by itself, in parts of at most ``block`` pixels, and stretch it to [0, 1]."""
    return f"""
        stretch_batch = Shape <end = 1> ({source})
        stretch_sides = Shape <start = 2> ({source})
        stretch_one = Constant <value = int64[1] {{1}}> ()
        stretch_block = Constant <value = int64 {{{preprocessing.block}}}> ()
        stretch_almost = Constant <value = int64 {{{preprocessing.block - 1}}}> ()
        stretch_reached = Add (stretch_sides, stretch_almost)
        stretch_parts = Div (stretch_reached, stretch_block)
        stretch_short = Div (stretch_sides, stretch_parts)
        stretch_covered = Mul (stretch_short, stretch_parts)
        stretch_longer = Sub (stretch_sides, stretch_covered)
        stretch_total = ReduceProd <keepdims = 0> (stretch_parts)
        stretch_zeroth = Constant <value = int64[1] {{0}}> ()
        stretch_axes = Constant <value = int64[2] {{2, 3}}> ()
        stretch_columns = Gather (stretch_parts, stretch_one)
        stretch_go = Constant <value = bool {{1}}> ()
        stretch_low_first = ConstantOfShape <value = double[1] {{1e300}}> (stretch_batch)
        stretch_high_first = ConstantOfShape <value = double[1] {{-1e300}}> (stretch_batch)
        stretch_low, stretch_high = Loop <body = part (
            int64 part_index, bool part_go, double[pictures] part_low, double[pictures] part_high
        ) => (bool part_on, double[pictures] part_lower, double[pictures] part_higher) {{
            part_on = Identity (part_go)
            part_number = Unsqueeze (part_index, stretch_zeroth)
            part_row = Div (part_number, stretch_columns)
            part_passed = Mul (part_row, stretch_columns)
            part_column = Sub (part_number, part_passed)
            part_place = Concat <axis = 0> (part_row, part_column)
            part_next = Add (part_place, stretch_one)
            part_extra = Min (part_place, stretch_longer)
            part_even = Mul (part_place, stretch_short)
            part_start = Add (part_even, part_extra)
            part_next_extra = Min (part_next, stretch_longer)
            part_next_even = Mul (part_next, stretch_short)
            part_end = Add (part_next_even, part_next_extra)
            part_pixels = Slice ({source}, part_start, part_end, stretch_axes)
            part_values = Flatten <axis = 1> (part_pixels)
            part_count = Shape <start = 1> (part_values)
            part_two = Constant <value = int64[1] {{2}}> ()
            part_before_last = Sub (part_count, stretch_one)
            part_last = Cast <to = {DOUBLE}> (part_before_last)
            {_percentile("bottom", preprocessing.low_percentile)}
            {_percentile("top", preprocessing.high_percentile)}
            part_lower = Min (part_low, part_bottom)
            part_higher = Max (part_high, part_top)
        }}> (stretch_total, stretch_go, stretch_low_first, stretch_high_first)
        stretch_each = Constant <value = int64[4] {{-1, 1, 1, 1}}> ()
        stretch_dark = Reshape (stretch_low, stretch_each)
        stretch_bright = Reshape (stretch_high, stretch_each)
        stretch_span = Sub (stretch_bright, stretch_dark)
        stretch_zero = Constant <value = double {{0.0}}> ()
        stretch_unit = Constant <value = double {{1.0}}> ()
        stretch_differs = Greater (stretch_span, stretch_zero)
        stretch_divisor = Where (stretch_differs, stretch_span, stretch_unit)
        stretch_exact = Cast <to = {DOUBLE}> ({source})
        stretch_above = Sub (stretch_exact, stretch_dark)
        stretch_relative = Div (stretch_above, stretch_divisor)
        stretch_clipped = Clip (stretch_relative, stretch_zero, stretch_unit)
        stretch_shown = Where (stretch_differs, stretch_clipped, stretch_zero)
        {result} = Cast <to = {FLOAT}> (stretch_shown)
    """


def repeat(channels: int, source: str, result: str) -> str:
    """Fill the network's channels with a grey picture's only one; a picture that has them all stays as it is."""
    return f"""
        repeat_channels = Constant <value = int64[4] {{1, {channels}, 1, 1}}> ()
        {result} = Expand ({source}, repeat_channels)
    """


def _percentile(name: str, percentile: float) -> str:
    """NumPy's linear interpolation between the two nearest of the sorted values, of which only one end is sorted."""
    own = f"part_{name}"
    if name == "bottom":
        ends = f"""
            {own}_more = Add ({own}_below, part_two)
            {own}_many = Min ({own}_more, part_count)
            {own}_here = Identity ({own}_below)
            {own}_there = Sub ({own}_many, stretch_one)
        """
    else:  # sorted from the brightest
        ends = f"""
            {own}_many = Sub (part_count, {own}_below)
            {own}_here = Sub ({own}_many, stretch_one)
            {own}_beyond = Sub ({own}_here, stretch_one)
            {own}_there = Max ({own}_beyond, stretch_zeroth)
        """
    return f"""
        {own}_fraction = Constant <value = double[1] {{{percentile / 100!r}}}> ()
        {own}_position = Mul (part_last, {own}_fraction)
        {own}_below = Cast <to = {INT64}> ({own}_position)
        {own}_floor = Cast <to = {DOUBLE}> ({own}_below)
        {own}_between = Sub ({own}_position, {own}_floor)
        {ends}
        {own}_sorted, {own}_ranks = TopK <axis = 1, largest = {int(name == "top")}> (part_values, {own}_many)
        {own}_exact = Cast <to = {DOUBLE}> ({own}_sorted)
        {own}_near = Gather <axis = 1> ({own}_exact, {own}_here)
        {own}_far = Gather <axis = 1> ({own}_exact, {own}_there)
        {own}_step = Sub ({own}_far, {own}_near)
        {own}_part = Mul ({own}_step, {own}_between)
        {own}_value = Add ({own}_near, {own}_part)
        {own} = Squeeze ({own}_value, stretch_one)
    """
