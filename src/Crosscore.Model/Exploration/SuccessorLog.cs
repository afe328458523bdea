namespace Crosscore.Model.Exploration;

/// <summary>
/// What every expanded state leads to, in the order of expansion, which in each part of the table is the order of
/// positions: the graph of an exploration, in 4 bytes a step and 2 a state.
/// </summary>
internal sealed class SuccessorLog
{
    // In place of a number of successors: the state is final.
    private const ushort Final = ushort.MaxValue;

    private readonly Chunks<ushort>[] _degrees = NewChunks<ushort>();
    private readonly Chunks<int>[] _targets = NewChunks<int>();

    /// <summary>Bytes held.</summary>
    public long Bytes { get; private set; }

    /// <summary>Bytes that would be held, at most, with some more states and steps.</summary>
    public long BytesWith(int states, int steps) =>
        Bytes
        + ((long)states * sizeof(ushort))
        + ((long)steps * sizeof(int))
        + (StateTable.Parts * (long)Chunks<int>.Length * (sizeof(ushort) + sizeof(int)));

    /// <summary>Adds what the origins of a run lead to, when all of it is in the table.</summary>
    public void Add(Successors run)
    {
        Chunks<ushort> degrees = _degrees[run.Part];
        long before = degrees.Bytes + _targets[run.Part].Bytes;
        int nextFinal = 0;
        for (int origin = 0; origin < run.Length; origin++)
        {
            bool isFinal = nextFinal < run.Ended.Count && run.Ended[nextFinal] == origin;
            nextFinal += isFinal ? 1 : 0;
            degrees.Add(isFinal ? Final : checked((ushort)(run.CountBefore(origin + 1) - run.CountBefore(origin))));
        }

        _targets[run.Part].Add(run.Numbers);
        Bytes += degrees.Bytes + _targets[run.Part].Bytes - before;
    }

    /// <summary>
    /// The states from which no final state can be reached, by number, those nearest to the start first. Every state
    /// must have been expanded.
    /// </summary>
    /// <param name="layers">
    /// For each distance from the start and each part, the position of the first state; and where the last ones end.
    /// </param>
    /// <returns>The states.</returns>
    public List<int> EndlessStates(IReadOnlyList<int[]> layers)
    {
        var ends = new ulong[StateTable.Parts][];
        long[] offsets = new long[StateTable.Parts];
        for (int part = 0; part < StateTable.Parts; part++)
        {
            ends[part] = new ulong[(_degrees[part].Count + 63) / 64];
            offsets[part] = _targets[part].Count;
        }

        // From the farthest states backwards: nearly all that leads to an end leads there through states that are
        // farther from the start.
        var open = new List<(int Number, long First)>();
        for (int layer = layers.Count - 2; layer >= 0; layer--)
        {
            for (int part = StateTable.Parts - 1; part >= 0; part--)
            {
                for (int position = layers[layer + 1][part] - 1; position >= layers[layer][part]; position--)
                {
                    ushort degree = _degrees[part][position];
                    offsets[part] -= degree == Final ? 0 : degree;
                    if (degree == Final || LeadsToEnd(ends, part, offsets[part], degree))
                    {
                        ends[part][position >> 6] |= 1UL << (position & 63);
                    }
                    else
                    {
                        open.Add((StateTable.Number(part, position), offsets[part]));
                    }
                }
            }
        }

        // What is left, to and fro, until a sweep changes nothing.
        bool nearestFirst = false;
        for (int before = -1; before != open.Count; nearestFirst = !nearestFirst)
        {
            before = open.Count;
            open.Reverse();
            open.RemoveAll(state =>
            {
                (int part, int position) = StateTable.Place(state.Number);
                bool leads = LeadsToEnd(ends, part, state.First, _degrees[part][position]);
                ends[part][position >> 6] |= leads ? 1UL << (position & 63) : 0;
                return leads;
            });
        }

        if (!nearestFirst)
        {
            open.Reverse();
        }

        return [.. open.Select(state => state.Number)];
    }

    private bool LeadsToEnd(ulong[][] ends, int part, long first, ushort degree)
    {
        Chunks<int> targets = _targets[part];
        for (long step = first; step < first + degree; step++)
        {
            (int toPart, int toPosition) = StateTable.Place(targets[step]);
            if ((ends[toPart][toPosition >> 6] >> (toPosition & 63) & 1) != 0)
            {
                return true;
            }
        }

        return false;
    }

    private static Chunks<T>[] NewChunks<T>()
        where T : unmanaged
    {
        var chunks = new Chunks<T>[StateTable.Parts];
        for (int part = 0; part < chunks.Length; part++)
        {
            chunks[part] = new Chunks<T>();
        }

        return chunks;
    }
}
