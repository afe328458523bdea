using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.Common;

/// <summary>What the initial state, or a condition that compares it, says of a register.</summary>
internal sealed record RegisterEntry(DataType? Type, InitialValue Value, bool IsSet, SourcePosition Position);

/// <summary>The registers that the initial state names, and their types.</summary>
internal sealed class RegisterTable(LitmusScanner scanner)
{
    private readonly Dictionary<(int Thread, TestRegister Register), RegisterEntry> _registers = [];

    /// <summary>Gets the initial registers of a thread; the others are zero.</summary>
    public Dictionary<TestRegister, InitialValue> Of(int thread) =>
        _registers
            .Where(entry => entry.Key.Thread == thread && entry.Value.IsSet)
            .ToDictionary(entry => entry.Key.Register, entry => entry.Value.Value);

    /// <summary>Gets the declared type of a register, if any.</summary>
    public DataType? TypeOf(int thread, TestRegister register) =>
        _registers.TryGetValue((thread, register), out RegisterEntry? entry)
            ? entry.Type
                ?? (
                    entry.Value.IsAddress ? DataType.Pointer
                    : entry.Value.Entry is not null ? DataType.TableEntry
                    : null
                )
            : null;

    /// <summary>
    /// Gets the highest thread that the initial state names, with the place, to check it against the columns.
    /// </summary>
    public (int Thread, SourcePosition Position) HighestThread() =>
        _registers.Count == 0
            ? (-1, default)
            : _registers.Select(entry => (entry.Key.Thread, entry.Value.Position)).MaxBy(entry => entry.Thread);

    /// <summary>Notes a type, a value or both.</summary>
    /// <exception cref="LitmusException">The register has a value already.</exception>
    public void Set(int thread, TestRegister register, DataType? type, InitialValue? value, SourcePosition position)
    {
        if (
            _registers.TryGetValue((thread, register), out RegisterEntry? earlier)
            && earlier.IsSet
            && value is not null
        )
        {
            throw scanner.Error(position, $"found a second initial value of {thread}:{register.Name}");
        }

        if (value is { IsAddress: true } && type is { Width: not 8 })
        {
            throw scanner.Error(
                position,
                $"found an address as the value of {thread}:{register.Name}, "
                    + $"which has type {type.Name}; expected a type of 8 bytes"
            );
        }

        _registers[(thread, register)] = new RegisterEntry(
            type ?? earlier?.Type,
            value is InitialValue given ? Cut(given, type) : earlier?.Value ?? default,
            value is not null || earlier?.IsSet == true,
            position
        );
    }

    /// <summary>Notes that the condition compares a register with an entry of a translation table.</summary>
    public void NotePageEntry(int thread, TestRegister register, SourcePosition position)
    {
        if (thread >= 0 && TypeOf(thread, register) is null)
        {
            _registers[(thread, register)] = _registers.TryGetValue((thread, register), out RegisterEntry? known)
                ? known with
                {
                    Type = DataType.TableEntry,
                }
                : new RegisterEntry(DataType.TableEntry, default, false, position);
        }
    }

    /// <summary>Replaces the values of all registers.</summary>
    public void Convert(Func<InitialValue, InitialValue> convert)
    {
        foreach ((int, TestRegister) register in _registers.Keys.ToList())
        {
            _registers[register] = _registers[register] with { Value = convert(_registers[register].Value) };
        }
    }

    private static InitialValue Cut(InitialValue value, DataType? type) =>
        type is null ? value : value with { Number = type.Truncate(value.Number) };
}
