using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// Judges a perpetual run: which outcomes of the one-shot test do its pairs of iterations ("frames") show?
/// </summary>
/// <remarks>
/// <para>Frame (i, j) is iteration i of the fast column and iteration j of the slow one. Only these two store to their
/// variables under that number, so a load that found number v of a variable whose writer is at n in this frame has seen
/// the store of the frame when v >= n, and the initial state when v is less.</para>
/// <para>Why the test must allow what a frame shows: take the whole perpetual run as an execution of x86-TSO and delete
/// every event but those of the two iterations. What remains is an execution of the test. Store buffers stay
/// first-in-first-out queues with entries taken out; a buffer that a fence found empty is still empty; the moment at
/// which membarrier's fence hit the fast thread is still a moment of the call, with the fast thread's buffer empty at
/// it, whichever iteration it was in. A load that found v > n read a store that entered memory after the frame's own
/// (stores of one thread to one place keep their order), so with the later ones deleted it reads the frame's; one that
/// found v less than n read before the frame's store was visible to it, and with the earlier ones deleted it reads the
/// initial state. A load of the column's own variable obeys the same rule: it finds n after the store and n - 1 before
/// it. Nothing here needs frames to meet in time.</para>
/// <para>Why this finds everything that the run can show: for a given j the outcome changes with i only where a slow
/// load's number u passes from "i" to "i + 1" being greater, or where a fast load first finds j. Numbers found by one
/// load never go down, so these places are few and found by bisection; between them all frames are alike. Examined are
/// the frames on both sides of each.</para>
/// </remarks>
internal sealed class PerpetualFrames
{
    private readonly PerpetualPlan _plan;
    private readonly IReadOnlyList<PerpetualLoad> _fast;
    private readonly IReadOnlyList<PerpetualLoad> _slow;
    private readonly (int Side, int Load, ulong Constant, ulong Mask)[] _values;

    /// <summary>Prepares to judge runs of a test.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">Its memory.</param>
    /// <param name="plan">Its perpetual form.</param>
    public PerpetualFrames(LitmusTest test, MemoryLayout layout, PerpetualPlan plan)
    {
        _plan = plan;
        _fast = plan.Loads[plan.Fast];
        _slow = plan.Loads[plan.Slow];
        _values = [.. test.Observables.Select(item => ValueOf(test, layout, item))];
        Counts = new OutcomeCounts(test.Observables.Count);
    }

    /// <summary>Gets the outcomes so far, each counted once for each slow iteration that shows it.</summary>
    public OutcomeCounts Counts { get; }

    /// <summary>Slow iterations during which the fast side advanced.</summary>
    public long Relevant { get; private set; }

    /// <summary>Judges a batch.</summary>
    /// <param name="fastLog">Entries of the number and the registers at that iteration, wherever one changed;
    /// ascending, the first of iteration 1.</param>
    /// <param name="fastIterations">How many iterations the fast side made.</param>
    /// <param name="slowLog">Entries of the progress before, the progress after, and the registers; one for each
    /// iteration.</param>
    public void Judge(ReadOnlySpan<long> fastLog, long fastIterations, ReadOnlySpan<long> slowLog)
    {
        int fastEntry = 1 + _fast.Count;
        int slowEntry = 2 + _slow.Count;
        int candidates = 2 * (_fast.Count + _slow.Count + 1);
        Span<long> places = stackalloc long[candidates];
        Span<int> seen = stackalloc int[candidates];
        Span<ulong> values = stackalloc ulong[_values.Length];
        for (int j = 1; j <= slowLog.Length / slowEntry; j++)
        {
            ReadOnlySpan<long> slow = slowLog.Slice((j - 1) * slowEntry, slowEntry);
            Relevant += slow[1] > slow[0] ? 1 : 0;

            int distinct = 0;
            int count = FindPlaces(places, fastLog, fastIterations, slow, j);
            foreach (long i in places[..count])
            {
                if (i < 1 || i > fastIterations)
                {
                    continue;
                }

                Show(
                    values,
                    i,
                    _fast.Count == 0 ? [] : fastLog.Slice(EntryAt(fastLog, fastEntry, i) * fastEntry, fastEntry),
                    j,
                    slow
                );
                int number = Counts.NumberOf(values);
                if (!seen[..distinct].Contains(number))
                {
                    seen[distinct++] = number;
                    Counts.Count(number);
                }
            }
        }
    }

    // The iterations of the fast side at which the outcome of the frames with slow iteration j can change.
    private int FindPlaces(
        Span<long> places,
        ReadOnlySpan<long> fastLog,
        long fastIterations,
        ReadOnlySpan<long> slow,
        long j
    )
    {
        int fastEntry = 1 + _fast.Count;
        int count = 0;
        for (int load = 0; load < _slow.Count; load++)
        {
            if (_slow[load].Writer == _plan.Fast)
            {
                places[count++] = slow[2 + load];
                places[count++] = slow[2 + load] + 1;
            }
        }

        for (int load = 0; load < _fast.Count; load++)
        {
            if (_fast[load].Writer == _plan.Slow)
            {
                int entry = FirstThatFound(fastLog, fastEntry, load, j);
                long first = entry * fastEntry < fastLog.Length ? fastLog[entry * fastEntry] : fastIterations + 1;
                places[count++] = first - 1;
                places[count++] = first;
            }
        }

        if (count == 0)
        {
            places[count++] = 1;
        }

        return count;
    }

    private void Show(Span<ulong> values, long i, ReadOnlySpan<long> fast, long j, ReadOnlySpan<long> slow)
    {
        for (int index = 0; index < values.Length; index++)
        {
            (int side, int load, ulong constant, ulong mask) = _values[index];
            if (load < 0)
            {
                values[index] = constant;
                continue;
            }

            PerpetualLoad meaning = side == _plan.Fast ? _fast[load] : _slow[load];
            bool found = (side == _plan.Fast, meaning.Writer == _plan.Fast) switch
            {
                (true, true) => fast[1 + load] >= 0, // logged less i
                (true, false) => fast[1 + load] >= j,
                (false, true) => slow[2 + load] >= i,
                (false, false) => slow[2 + load] >= j,
            };
            values[index] = (meaning.Writer >= 0 && found ? meaning.Stored : meaning.Initial) & mask;
        }
    }

    // The first entry in which a load had found iteration j of the slow side or a later one; the number of entries when
    // none has.
    private static int FirstThatFound(ReadOnlySpan<long> log, int width, int load, long j)
    {
        int low = 0;
        int high = log.Length / width;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (log[(middle * width) + 1 + load] >= j)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }

    // The entry that tells the registers of iteration i: the last one that is not later.
    private static int EntryAt(ReadOnlySpan<long> log, int width, long i)
    {
        int low = 0;
        int high = log.Length / width;
        while (low + 1 < high)
        {
            int middle = (low + high) / 2;
            if (log[middle * width] <= i)
            {
                low = middle;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    private (int Side, int Load, ulong Constant, ulong Mask) ValueOf(
        LitmusTest test,
        MemoryLayout layout,
        Observable item
    )
    {
        ulong mask = DataType.Truncate(ulong.MaxValue, item.Type.Width);
        IReadOnlyList<PerpetualLoad> loads = _plan.Loads[item.Thread];
        for (int load = 0; load < loads.Count; load++)
        {
            if (loads[load].Register == item.Register)
            {
                return (item.Thread, load, 0, mask);
            }
        }

        InitialValue initial = test.Threads[item.Thread].InitialRegisters.GetValueOrDefault(item.Register);
        return (item.Thread, -1, layout.Resolve(initial, MemoryLayout.ModelBase) & mask, mask);
    }
}
