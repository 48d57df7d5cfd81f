"""Why a request to a resumable upload is refused."""

from core.errors import PegasusError


class UploadMissing(PegasusError):
    message = "There is no such upload, or no longer."


class OffsetMismatch(PegasusError):
    """Bytes were sent for another position than `offset`, at which the upload ends."""

    def __init__(self, *, offset: int) -> None:
        super().__init__(f"The upload goes on at byte {offset}.")
        self.offset = offset


class LengthRefused(PegasusError):
    """The length that is declared now contradicts the upload."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The length of this upload {reason}.")


class LengthPassed(PegasusError):
    def __init__(self, *, limit: int, received: int) -> None:
        super().__init__(f"The upload was said to have {limit} bytes, and {received} or more were sent.")
        self.limit = limit
        self.received = received


class ChecksumWrong(PegasusError):
    def __init__(self, algorithm: str) -> None:
        super().__init__(f"The bytes don't have the {algorithm} that was sent with them; none of them was kept.")
        self.algorithm = algorithm


class TooManyOpenUploads(PegasusError):
    def __init__(self, *, limit: int) -> None:
        super().__init__(f"At most {limit} uploads may be open at once: finish one, or delete it.")
        self.limit = limit


class UploadDigestWrong(PegasusError):
    """The bytes of a whole upload don't match the digest that was sent for them."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(f"The upload doesn't have the {algorithm} that was sent for it, and was removed.")


class UploadFinished(PegasusError):
    """Nothing can be appended to an upload that is a recording already."""

    message = "The upload is complete, and nothing can be appended to it."
