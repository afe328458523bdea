namespace Crosscore.Litmus.Verdicts;

/// <summary>How often the condition's proposition is true among final states, in the words of the field.</summary>
public enum Frequency
{
    /// <summary>In none.</summary>
    Never,

    /// <summary>In some, not all.</summary>
    Sometimes,

    /// <summary>In all, and there is one.</summary>
    Always,
}

/// <summary>The answer to the question of a test, as it is asked.</summary>
internal enum TestAnswer
{
    /// <summary>What <c>~exists</c> or <c>forall</c> asks for is true of every final state.</summary>
    Holds,

    /// <summary>What <c>~exists</c> or <c>forall</c> asks for is false of some final state.</summary>
    Violated,

    /// <summary>What <c>exists</c> asks for is true of some final state.</summary>
    Possible,

    /// <summary>What <c>exists</c> asks for is true of no final state.</summary>
    Impossible,

    /// <summary>A bound was hit, and what was not explored could change the answer.</summary>
    NotFound,

    /// <summary>No execution ends, so there is no final state that the question could be asked of.</summary>
    NeverEnds,
}
