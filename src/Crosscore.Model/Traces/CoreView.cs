namespace Crosscore.Model.Traces;

/// <summary>What a CPU holds that no other one can see: what a timeline shows beside each step.</summary>
/// <param name="Task">Its current task.</param>
/// <param name="Waiting">Its stores that have not reached memory, the oldest first.</param>
/// <param name="Code">The code that changes, and what this CPU may execute of it.</param>
public sealed record CoreView(int Task, IReadOnlyList<WaitingStore> Waiting, IReadOnlyList<FetchableCode> Code);

/// <summary>A store that waits.</summary>
/// <param name="Address">Where it goes.</param>
/// <param name="Width">Bytes; 0 of a message.</param>
/// <param name="Value">What it stores.</param>
/// <param name="Answers">The CPU to which it says that its interrupt was handled; -1 for a store to memory.</param>
public readonly record struct WaitingStore(ulong Address, int Width, ulong Value, int Answers);

/// <summary>Code, and the values that a fetch of it may return.</summary>
/// <param name="Address">Where it lies.</param>
/// <param name="Values">The values; more than one while old code may still be executed.</param>
public sealed record FetchableCode(ulong Address, IReadOnlyList<ulong> Values);
