"""What can be wrong with a step of a resumable upload."""

from core.errors import PegasusError


class UploadMissing(PegasusError):
    """There is no upload of that id, or no longer."""

    def __init__(self) -> None:
        super().__init__("There is no such upload, or no longer.")


class OffsetMismatch(PegasusError):
    """Bytes were sent for another place than where the upload goes on, which is `offset`."""

    def __init__(self, *, offset: int) -> None:
        super().__init__(f"The upload goes on at byte {offset}.")
        self.offset = offset


class LengthRefused(PegasusError):
    """The length that is said now can't be the upload's."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The length of this upload {reason}.")


class LengthPassed(PegasusError):
    """More bytes were sent than the upload was said to have."""

    def __init__(self, *, limit: int, received: int) -> None:
        super().__init__(f"The upload was said to have {limit} bytes, and {received} or more were sent.")
        self.limit = limit
        self.received = received


class ChecksumWrong(PegasusError):
    """The bytes that were sent don't have the digest that was sent with them; none of them was kept."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(f"The bytes don't have the {algorithm} that was sent with them; none of them was kept.")


class TooManyOpenUploads(PegasusError):
    """Somebody has as many unfinished uploads as they may."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"At most {limit} uploads may be open at once: finish one, or delete it.")
        self.limit = limit
