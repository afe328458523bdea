using Crosscore.Model.Compilation;
using Crosscore.Model.State;

namespace Crosscore.Model.Cpus;

/// <summary>
/// Fences that threads have demanded of other cores and that these have not passed yet. A core that stands between two
/// instructions with no waiting store has passed at once: passing earlier only lets the demanding thread continue
/// earlier, which it need not do, so no outcome is lost.
/// </summary>
internal sealed class FenceRequests
{
    // For each demanding thread one bit for each core; a field without bits for a thread that never demands.
    private readonly BitField[] _pending;

    public FenceRequests(IReadOnlyList<StaticAnalysis> threads, int cores, StateLayout layout)
    {
        _pending = [.. threads.Select(thread => layout.Add(thread.MayRequestFences[0] ? (1 << cores) - 1 : 0))];
        Any = threads.Any(thread => thread.MayRequestFences[0]);
    }

    /// <summary>Whether the program demands fences at all.</summary>
    public bool Any { get; }

    public void Request(Span<ulong> state, int thread, int cores) => _pending[thread].Set(state, cores);

    /// <summary>Whether a core has yet to pass a fence that a thread demanded.</summary>
    public bool IsPending(ReadOnlySpan<ulong> state, int thread, int core) =>
        (_pending[thread].Get(state) & (1 << core)) != 0;

    public bool AllPassed(ReadOnlySpan<ulong> state, int thread) => _pending[thread].Get(state) == 0;

    /// <summary>Notes that a core can pass a fence now.</summary>
    public void Pass(Span<ulong> state, int core)
    {
        for (int thread = 0; thread < _pending.Length; thread++)
        {
            int pending = _pending[thread].Get(state);
            if ((pending & (1 << core)) != 0)
            {
                _pending[thread].Set(state, pending & ~(1 << core));
            }
        }
    }
}
