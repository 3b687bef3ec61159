"""Every exception a user can meet. Each message names the value, the rule and the cure, in one sentence or two."""


class NucleoscopeError(Exception):
    """Base of the errors that are shown to users as they are, without a traceback."""


class ImageReadError(NucleoscopeError):
    """A file is no picture, is damaged, or is of a kind that cannot be read."""


class ImageShapeError(NucleoscopeError):
    """A picture's shape, channels or values are not what the network takes."""


class BundleError(NucleoscopeError):
    """A folder is not a usable model bundle."""


class ParameterError(NucleoscopeError, ValueError):
    """A setting is outside its allowed range."""


class DataError(NucleoscopeError):
    """A training data set is missing, damaged or does not fit together."""


class HubError(NucleoscopeError):
    """The Hugging Face Hub could not be asked, or did not give or take what it was asked to."""
