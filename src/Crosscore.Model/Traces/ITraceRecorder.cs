using Crosscore.Model.Compilation;
using Crosscore.Model.State;

namespace Crosscore.Model.Traces;

/// <summary>Receives what happens while a trace is replayed.</summary>
internal interface ITraceRecorder
{
    /// <summary>Something happened that concerns no memory.</summary>
    /// <param name="cpu">Where; -1 for nowhere.</param>
    /// <param name="task">The task it concerns; -1 for the CPU's own code.</param>
    /// <param name="kind">What.</param>
    /// <param name="op">The operation that did it.</param>
    /// <param name="argument">As the kind says.</param>
    void Note(int cpu, int task, TraceEventKind kind, CompiledOp? op = null, int argument = 0);

    /// <summary>Memory was accessed.</summary>
    void Access(int cpu, int task, TraceEventKind kind, CompiledOp? op, CellSpan span, int value);

    /// <summary>What was noted since the last call is done; this is how it left the CPUs.</summary>
    void Took(IReadOnlyList<CoreView> cores);
}
