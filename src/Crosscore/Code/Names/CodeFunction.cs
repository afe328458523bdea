namespace Crosscore.Code;

/// <summary>A function of a segment: where a thread may enter, and as far as its code goes.</summary>
/// <param name="Name">What debuggers and profilers call it, or <see langword="null"/>.</param>
/// <param name="Offset">Its first instruction, in bytes from the start of the segment.</param>
/// <param name="Length">Bytes; at least one.</param>
public readonly record struct CodeFunction(string? Name, int Offset, int Length);
