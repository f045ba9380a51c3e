"""Windows of event time: where a record belongs, and when its window is landed."""

from dataclasses import dataclass

from tidemill_transform.streaming.records import Record


@dataclass(frozen=True)
class Windows:
    """Fixed windows, aligned to 1970; each is named by its start. All times are seconds since 1970.

    A window is landed once the watermark has passed its end. Records that come after that are gathered until
    the window of their arrival is over, and landed together: many late records never become many small files.
    """

    seconds: int
    lateness_seconds: int
    out_of_order_seconds: int

    def start(self, at: float) -> int:
        """Name the window that a point in time is in."""
        return int(at // self.seconds) * self.seconds

    def place(self, record: Record) -> tuple[int, Record]:
        """Return a record's window; a time that cannot be right is refused, into the window of publishing."""
        age = record.published - record.event_time
        refusal = ""
        if age > self.lateness_seconds:
            refusal = f"late: expected {self.lateness_seconds} s from event to publishing, received {age:.0f}"
        elif age < -self.seconds:
            refusal = f"early: expected an event of the past, was published {-age:.0f} s before it"
        if refusal:
            return self.start(record.published), record._replace(refusal=refusal)
        return self.start(record.event_time), record

    def due(self, start: int, now: float, *, landed: bool) -> int:
        """Say at which watermark the records that a window now begins to gather are landed.

        Args:
            now: What the clock shows; the watermark is behind it, far behind where there is a backlog.
            landed: Whether the watermark has passed the window's end already.
        """
        end = start + self.seconds
        is_late = landed or end < now - self.out_of_order_seconds
        return self.start(now) + self.seconds if is_late else end

    def forgotten(self, start: int) -> int:
        """Say at which watermark a window is over for good; what comes still begins to count panes anew."""
        return start + 2 * self.seconds + self.lateness_seconds
