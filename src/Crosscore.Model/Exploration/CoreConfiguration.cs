using Crosscore.Model.Cores;
using Crosscore.Model.Cpus;
using Crosscore.Model.Machines;

namespace Crosscore.Model.Exploration;

/// <summary>
/// A compiled program on one kind of core: the state at the start, and a machine for each worker. It is immutable.
/// </summary>
/// <param name="program">The program, to whose layout the core has added its fields.</param>
/// <param name="options">How to explore.</param>
internal abstract class CoreConfiguration<TCore>(CompiledProgram program, ExplorationOptions options)
    where TCore : struct, ICore
{
    /// <summary>Gets the program.</summary>
    public CompiledProgram Program { get; } = program;

    /// <summary>Gets how to explore.</summary>
    public ExplorationOptions Options { get; } = options;

    /// <summary>
    /// Gets whether the CPUs execute in phases: then the states in between are no states of executions, and say nothing
    /// about whether executions end.
    /// </summary>
    public virtual bool RunsInPhases => false;

    /// <summary>Gets the bounds that apply to every exploration of this configuration.</summary>
    public virtual Bounds Bounds => Bounds.None;

    /// <summary>Makes what one worker executes with.</summary>
    public abstract Worker<TCore> NewWorker();

    /// <summary>Makes the state at the start.</summary>
    public virtual ulong[] InitialState() => Program.InitialState();
}

/// <summary>What one worker executes with.</summary>
/// <param name="Machine">Its machine.</param>
/// <param name="Independence">Finds moves that can be explored alone.</param>
internal sealed record Worker<TCore>(Machine<TCore> Machine, IIndependence Independence)
    where TCore : struct, ICore;
