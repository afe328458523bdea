namespace Crosscore.Model.State;

/// <summary>
/// Numbers the values that occur in an exploration, so that a state holds a few bits where the program holds 64. The
/// numbering is exact: each value has one number and is never forgotten. Number 0 is the value 0.
/// </summary>
/// <remarks>
/// While several threads use it, it is closed (<see cref="IsClosed"/>): a thread that meets a new value stops, and
/// resumes when the others are at rest. So the table never changes under a reader, and which value gets which number
/// does not depend on who comes first.
/// </remarks>
internal sealed class ValueTable
{
    private readonly Dictionary<ulong, int> _numbers = [];
    private readonly List<ulong> _values = [];

    public ValueTable() => Number(0);

    /// <summary>How many values there are.</summary>
    public int Count => _values.Count;

    /// <summary>Whether new values are refused for the time being.</summary>
    public bool IsClosed { get; set; }

    /// <summary>The largest number that a state can hold; set when the layout is known.</summary>
    public int LargestNumber { get; set; } = int.MaxValue;

    public ulong this[int number] => _values[number];

    /// <summary>The number of a value, new or known.</summary>
    /// <exception cref="ValuesExceededException">States are too narrow for one more value.</exception>
    /// <exception cref="ValuesClosedException">The value is new, and the table closed.</exception>
    public int Number(ulong value)
    {
        if (_numbers.TryGetValue(value, out int number))
        {
            return number;
        }

        if (IsClosed)
        {
            throw new ValuesClosedException();
        }

        if (_values.Count > LargestNumber)
        {
            throw new ValuesExceededException();
        }

        number = _values.Count;
        _numbers.Add(value, number);
        _values.Add(value);
        return number;
    }
}

/// <summary>
/// The program computed more different values than the packed states have room for: the exploration starts again with
/// wider fields.
/// </summary>
internal sealed class ValuesExceededException : Exception;

/// <summary>
/// A new value turned up where several threads compute: the one that met it has to wait for the others.
/// </summary>
internal sealed class ValuesClosedException : Exception;
