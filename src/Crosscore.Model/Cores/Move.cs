namespace Crosscore.Model.Cores;

/// <summary>What an agent of the exploration can do.</summary>
internal enum MoveKind
{
    /// <summary>
    /// A CPU executes the next operation of what it runs; where it has a choice, the argument is what it chooses, and
    /// -1 is its only one.
    /// </summary>
    Step,

    /// <summary>The next waiting store of a CPU reaches memory.</summary>
    Drain,

    /// <summary>A CPU takes the interrupt of the CPU <see cref="Move.Argument"/>.</summary>
    TakeInterrupt,

    /// <summary>A CPU begins to return from an interrupt.</summary>
    Return,

    /// <summary>A CPU begins to switch to the task <see cref="Move.Argument"/>.</summary>
    Switch,

    /// <summary>The task <see cref="Move.Argument"/> wakes.</summary>
    Wake,

    /// <summary>A CPU fetches the value with the number <see cref="Move.Argument"/>.</summary>
    Fetch,

    /// <summary>A signal comes to the task that a CPU runs.</summary>
    Signal,

    /// <summary>A CPU executes code of which nothing is promised.</summary>
    FetchUnpredictable,

    /// <summary>A CPU promises a write before it executes it.</summary>
    Promise,

    /// <summary>All writes are promised: the CPUs begin to execute.</summary>
    Begin,
}

/// <summary>One thing that can happen next.</summary>
/// <param name="Kind">What.</param>
/// <param name="Cpu">Where.</param>
/// <param name="Argument">As the kind says.</param>
internal readonly record struct Move(MoveKind Kind, int Cpu, int Argument = 0);
