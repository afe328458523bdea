namespace Crosscore.Model.Cores;

/// <summary>Whether, and how, a CPU can continue what it executes.</summary>
internal enum StepKind
{
    /// <summary>The code is at its end.</summary>
    Halted,

    /// <summary>The CPU waits for something that another agent must do.</summary>
    Blocked,

    /// <summary>The step commutes with every step that another agent can ever take.</summary>
    Local,

    /// <summary>Another agent may observe the step, or the step may observe another agent.</summary>
    Visible,
}
