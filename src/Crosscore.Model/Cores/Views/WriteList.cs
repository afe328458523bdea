using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// The writes in the order in which they reach memory, with positions from 1; position 0 is what memory held before all
/// of them (<see cref="MainMemory"/>). The maintenance of caches takes its turn in the same list, at places after the
/// cells. A promise is a write that its CPU has yet to execute.
/// </summary>
internal sealed class WriteList
{
    private readonly BitField _count;
    private readonly BitField[] _cpu;
    private readonly BitField[] _place;
    private readonly BitField[] _value;
    private readonly BitField[] _promised;

    public WriteList(int capacity, int cpus, int places, int largestValue, StateLayout layout)
    {
        Capacity = capacity;
        _count = layout.Add(capacity);
        BitField[] Fields(int largest) =>
            [.. Enumerable.Range(0, capacity + 1).Select(position => layout.Add(position == 0 ? 0 : largest))];
        _cpu = Fields(cpus - 1);
        _place = Fields(places - 1);
        _value = Fields(largestValue);
        _promised = Fields(1);
    }

    /// <summary>How many writes fit.</summary>
    public int Capacity { get; }

    public int Count(ReadOnlySpan<ulong> state) => _count.Get(state);

    public int Cpu(ReadOnlySpan<ulong> state, int position) => _cpu[position].Get(state);

    public int Place(ReadOnlySpan<ulong> state, int position) => _place[position].Get(state);

    public int Value(ReadOnlySpan<ulong> state, int position) => _value[position].Get(state);

    public bool IsPromise(ReadOnlySpan<ulong> state, int position) => _promised[position].Get(state) != 0;

    /// <summary>Adds a write at the end.</summary>
    public void Append(Span<ulong> state, int cpu, int place, int value, bool promised)
    {
        int position = Count(state) + 1;
        _count.Set(state, position);
        Put(state, position, cpu, place, value, promised);
    }

    /// <summary>A CPU executed the write that it had promised.</summary>
    public void Fulfil(Span<ulong> state, int position) => _promised[position].Set(state, 0);

    /// <summary>Forgets a write; later ones move up.</summary>
    public void Remove(Span<ulong> state, int position)
    {
        int last = Count(state);
        for (; position < last; position++)
        {
            Put(
                state,
                position,
                Cpu(state, position + 1),
                Place(state, position + 1),
                Value(state, position + 1),
                IsPromise(state, position + 1)
            );
        }

        Put(state, last, 0, 0, 0, false);
        _count.Set(state, last - 1);
    }

    /// <summary>The newest write to a place at a position or before; 0 when there is none.</summary>
    public int Newest(ReadOnlySpan<ulong> state, int place, int position)
    {
        while (position > 0 && Place(state, position) != place)
        {
            position--;
        }

        return position;
    }

    /// <summary>The newest promise of a CPU that it has not executed; 0 when there is none.</summary>
    public int OpenPromise(ReadOnlySpan<ulong> state, int cpu)
    {
        int position = Count(state);
        while (position > 0 && !(IsPromise(state, position) && Cpu(state, position) == cpu))
        {
            position--;
        }

        return position;
    }

    private void Put(Span<ulong> state, int position, int cpu, int place, int value, bool promised)
    {
        _cpu[position].Set(state, cpu);
        _place[position].Set(state, place);
        _value[position].Set(state, value);
        _promised[position].Set(state, promised ? 1 : 0);
    }
}
