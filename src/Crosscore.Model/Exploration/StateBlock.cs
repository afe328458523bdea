namespace Crosscore.Model.Exploration;

/// <summary>
/// States of one distance from the start that are expanded together, and how what they lead to gets into the table:
/// part by part, each part taking the successors that belong to it in the order of their origins. So it does not matter
/// which thread takes which part, or how many threads there are.
/// </summary>
/// <remarks>
/// No two threads touch the same part at once, and a barrier lies before and after (<see cref="WorkerTeam"/>), so that
/// nothing here needs a separate order.
/// </remarks>
internal sealed class StateBlock(StateTable table)
{
    // 2^16 states at most: enough that barriers cost next to nothing, few enough that their successors stay in a cache.
    private const int MostRuns = 128;

    private readonly List<Successors> _runs = [];
    private readonly int[] _perPart = new int[StateTable.Parts];
    private uint _touched;

    /// <summary>How many runs of neighbors the block consists of.</summary>
    public int Runs { get; private set; }

    /// <summary>How many states it consists of.</summary>
    public int Origins { get; private set; }

    /// <summary>How many successors there are, known or not.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes that the table would hold at most with all of them.</summary>
    public long BytesNeeded
    {
        get
        {
            long bytes = table.Codec.Bytes;
            for (int part = 0; part < StateTable.Parts; part++)
            {
                bytes += table[part].BytesWith(_perPart[part]);
            }

            return bytes;
        }
    }

    public Successors this[int run] => _runs[run];

    /// <summary>Takes the next states of a layer.</summary>
    /// <param name="next">For each part the position of the first state of the layer that was not taken; those taken
    /// here are passed.</param>
    /// <param name="ends">For each part the position after the last one.</param>
    /// <returns>Whether there were any.</returns>
    public bool TryBegin(int[] next, int[] ends)
    {
        Runs = 0;
        Origins = 0;
        for (int part = 0; part < StateTable.Parts; part++)
        {
            while (next[part] < ends[part] && Runs < MostRuns)
            {
                if (Runs == _runs.Count)
                {
                    _runs.Add(new Successors(table.Codec));
                }

                int length = Math.Min(Successors.MostOrigins, ends[part] - next[part]);
                _runs[Runs++].Begin(part, next[part], length);
                next[part] += length;
                Origins += length;
            }
        }

        return Runs > 0;
    }

    /// <summary>Counts the successors, when all states have been expanded.</summary>
    public void EndExpansion()
    {
        Count = 0;
        Array.Clear(_perPart);
        for (int run = 0; run < Runs; run++)
        {
            Count += _runs[run].Count;
            for (int part = 0; part < StateTable.Parts; part++)
            {
                _perPart[part] += _runs[run].PerPart[part];
            }
        }
    }

    /// <summary>Adds the successors that belong to one part. All runs are sorted.</summary>
    public void AddPart(int part)
    {
        if (_perPart[part] == 0)
        {
            return;
        }

        StatePart states = table[part];
        states.MakeRoom(_perPart[part]);
        uint touched = 0;
        for (int run = 0; run < Runs; run++)
        {
            Successors successors = _runs[run];
            ReadOnlySpan<int> indexes = successors.InPart(part);
            foreach (int index in indexes)
            {
                touched ^= states.Touch(successors.Hash(index));
            }

            foreach (int index in indexes)
            {
                int position = states.Add(successors.Hash(index), successors.Record(index));
                successors.SetNumber(index, StateTable.Number(part, position));
            }
        }

        // A use of what was touched, so that the reads are not removed; that threads overwrite each other here is no
        // matter.
        _touched = touched;
    }

    /// <summary>
    /// Adds successors until there are as many states as there may be; one thread does it when they may be too many.
    /// </summary>
    /// <param name="mostStates">The most states that the table may hold.</param>
    /// <returns>The run and the origin in it whose successors were one too many; the number of runs if there is
    /// none.</returns>
    public (int Run, int Origin) AddUpTo(int mostStates)
    {
        int room = mostStates - table.Count;
        for (int run = 0; run < Runs; run++)
        {
            Successors successors = _runs[run];
            for (int origin = 0; origin < successors.Length; origin++)
            {
                for (int index = successors.CountBefore(origin); index < successors.CountBefore(origin + 1); index++)
                {
                    StatePart part = table[successors.PartOf(index)];
                    bool known = part.Contains(successors.Hash(index), successors.Record(index));
                    if (!known && room-- == 0)
                    {
                        return (run, origin);
                    }

                    if (!known)
                    {
                        part.MakeRoom(1);
                        part.Add(successors.Hash(index), successors.Record(index));
                    }
                }
            }
        }

        return (Runs, 0);
    }
}
