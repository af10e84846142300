"""The rows of a CSV file as text: a category 01 stays what it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from titleholder.data.csv_file import CsvFile

GAPS = pa.array(["None", "<NA>", *pa.csv.ConvertOptions().null_values])
"""What a gap is called in a column of numbers; in one of texts all but an empty cell are texts."""
EMPTY = pa.array([""])


def read(
    file: CsvFile, wanted: Collection[str], numbers: Collection[str]
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Those of the `wanted` columns that the file has, as (schema, batches).

    An empty cell is a gap; in a column of `numbers` NA and its like are gaps, too.

    Raises:
        UsageError: the file cannot be read, a row has more or fewer cells than the header, or a column is there twice.
        DataError: it has text that is not in its encoding.
    """
    try:
        names = file.open({}).schema.names
        file.refuse_names(names, wanted)
        columns = [name for name in names if name in wanted] or names[:1]
        reader = file.open(dict.fromkeys(columns, pa.string()), columns)
    except pa.ArrowInvalid as error:
        raise file.unreadable(error) from error
    return reader.schema, _batches(file, reader, numbers)


def _batches(file: CsvFile, reader: pa.csv.CSVStreamingReader, numbers: Collection[str]) -> Iterator[pa.RecordBatch]:
    try:
        for batch in reader:
            columns = [
                pc.if_else(pc.is_in(batch[name], GAPS if name in numbers else EMPTY), None, batch[name])
                for name in batch.schema.names
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=batch.schema)
    except (OSError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise file.unreadable(error) from error
