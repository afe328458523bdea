namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// An execution whose values fit together, before the axioms are asked: the paths of all threads and the sources of all
/// reads.
/// </summary>
internal sealed record Execution(IReadOnlyList<Path> Paths, Choices Choices);

/// <summary>
/// Makes every execution in which no read gets a value that hangs on itself; the axioms forbid the others, since rf
/// from outside, data, address (with what comes after it), control and pick dependencies into writes, and rmw all lie
/// in <c>ob</c>. Each execution is made once: a read is given one of the writes there are, or is put off until there
/// are others and then takes one of those.
/// </summary>
internal sealed class Executions
{
    private readonly OracleTest _test;
    private readonly int _mostVisits;
    private readonly bool _bytes;
    private readonly Choices _choices = new();
    private readonly HashSet<(AccessId Read, int Byte, AccessId Source)> _putOff = [];
    private readonly Action<Execution> _found;

    private Executions(OracleTest test, int mostVisits, Action<Execution> found)
    {
        _test = test;
        _mostVisits = mostVisits;
        _found = found;

        // With one width and natural alignment a read has one source; else each byte has its own.
        _bytes =
            test.Threads.SelectMany(thread => thread.Code).Select(SizeOf).Where(size => size > 0).Distinct().Count()
            > 1;
    }

    public static void ForEach(OracleTest test, int mostVisits, Action<Execution> found)
    {
        var executions = new Executions(test, mostVisits, found);
        executions.Explore([.. test.Threads.Select((_, thread) => executions.PathOf(thread))]);
    }

    private static int SizeOf(Instruction instruction) =>
        instruction switch
        {
            Load load => load.Size,
            Store store => store.Size,
            StoreExclusive store => store.Size,
            Atomic atomic => atomic.Size,
            CompareSwap swap => swap.Size,
            _ => 0,
        };

    private Path PathOf(int thread) => Path.Of(thread, _test.Threads[thread], _choices, _mostVisits);

    private void Explore(Path[] paths)
    {
        foreach (Path path in paths)
        {
            if (path.OpenExclusive is AccessId exclusive)
            {
                foreach (bool success in (bool[])[false, true])
                {
                    _choices.Success[exclusive] = success;
                    Explore(With(paths, exclusive.Thread));
                }

                _choices.Success.Remove(exclusive);
                return;
            }
        }

        List<Access> accesses = [.. paths.SelectMany(path => path.Steps).SelectMany(step => step.Accesses)];
        List<Access> writes = accesses.FindAll(access =>
            access is { IsWrite: true, Address: not null, Value: not null }
        );
        bool moreToCome = Array.Exists(paths, path => path.MayWriteMore);
        foreach (Access read in accesses)
        {
            if (read.IsWrite || read.Value is not null)
            {
                continue;
            }

            if (read.Address is not ulong address)
            {
                continue;
            }

            int at = _choices.Sources.TryGetValue(read.Id, out AccessId?[]? sources)
                ? Array.FindIndex(sources, source => source is null)
                : 0;
            List<Access?> candidates = Candidates(read, at, accesses, writes);
            if (candidates.Count > 0)
            {
                Choose(paths, read, at, candidates, moreToCome);
                return;
            }
        }

        if (Array.TrueForAll(paths, path => path.IsComplete))
        {
            _found(new Execution(paths, _choices));
        }
    }

    private void Choose(Path[] paths, Access read, int at, List<Access?> candidates, bool moreToCome)
    {
        AccessId?[] sources = _choices.Sources.TryGetValue(read.Id, out AccessId?[]? known)
            ? known
            : new AccessId?[read.Size];
        byte[] values = _choices.Values.TryGetValue(read.Id, out byte[]? bytes) ? bytes : new byte[read.Size];
        _choices.Sources[read.Id] = sources;
        _choices.Values[read.Id] = values;
        int end = _bytes ? at + 1 : read.Size;
        foreach (Access? candidate in candidates)
        {
            for (int index = at; index < end; index++)
            {
                ulong place = read.Address!.Value + (ulong)index;
                sources[index] = candidate?.Id ?? AccessId.Initial;
                values[index] = candidate?.ByteAt(place) ?? _test.InitialByte(place);
            }

            Explore(With(paths, read.Id.Thread));
        }

        Array.Clear(sources, at, end - at);
        if (at == 0)
        {
            _choices.Sources.Remove(read.Id);
            _choices.Values.Remove(read.Id);
        }

        // Putting it off makes sense only while there are writes that have not happened.
        if (moreToCome)
        {
            foreach (Access? candidate in candidates)
            {
                _putOff.Add((read.Id, at, candidate?.Id ?? AccessId.Initial));
            }

            Explore(paths);
            foreach (Access? candidate in candidates)
            {
                _putOff.Remove((read.Id, at, candidate?.Id ?? AccessId.Initial));
            }
        }
    }

    // null stands for the initial value.
    private List<Access?> Candidates(Access read, int at, List<Access> accesses, List<Access> writes)
    {
        ulong place = read.Address!.Value + (ulong)at;
        var candidates = new List<Access?>();
        foreach (Access? write in writes.Where(write => write.Covers(place)).Cast<Access?>().Prepend(null))
        {
            AccessId source = write?.Id ?? AccessId.Initial;
            if (
                !_putOff.Contains((read.Id, at, source))
                && !IsHidden(read, write, place, writes)
                && !Tears(read, at, write, accesses)
            )
            {
                candidates.Add(write);
            }
        }

        return candidates;
    }

    // Coherence within the thread, as far as it can be said at once: a read sees no own write that comes after it, nor
    // one older than the newest own write.
    private static bool IsHidden(Access read, Access? write, ulong place, List<Access> writes)
    {
        int thread = read.Id.Thread;
        if (write is not null && write.Id.Thread == thread && write.Id.Step >= read.Id.Step)
        {
            return true;
        }

        return (write is null || write.Id.Thread == thread)
            && writes.Exists(other =>
                other.Id.Thread == thread
                && other.Id.Step < read.Id.Step
                && other.Covers(place)
                && (write is null || other.Id.Step > write.Id.Step)
            );
    }

    // Two writes that both cover two bytes of a read cannot each give it one: accesses are single-copy atomic.
    private bool Tears(Access read, int at, Access? write, List<Access> accesses)
    {
        if (!_bytes || at == 0)
        {
            return false;
        }

        AccessId?[] sources = _choices.Sources[read.Id];
        for (int before = 0; before < at; before++)
        {
            AccessId other = sources[before]!.Value;
            if (
                other != (write?.Id ?? AccessId.Initial)
                && (write?.Covers(read.Address!.Value + (ulong)before) ?? true)
                && (
                    other.IsInitial
                    || accesses.Find(access => access.Id == other)!.Covers(read.Address!.Value + (ulong)at)
                )
            )
            {
                return true;
            }
        }

        return false;
    }

    private Path[] With(Path[] paths, int thread)
    {
        Path[] changed = [.. paths];
        changed[thread] = PathOf(thread);
        return changed;
    }
}
