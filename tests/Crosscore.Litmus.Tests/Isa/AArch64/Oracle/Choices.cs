namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// Names an access: its thread, the step of the path that makes it, and which of the step's accesses it is. The writes
/// of the initial state have no thread.
/// </summary>
internal readonly record struct AccessId(int Thread, int Step, int Slot)
{
    public static AccessId Initial { get; } = new(-1, 0, 0);

    public bool IsInitial => Thread < 0;
}

/// <summary>
/// What is free in an execution: where each byte of each read comes from, and which store-exclusives succeed. The
/// search fills it in; the paths of the threads and all values follow from it.
/// </summary>
internal sealed class Choices
{
    /// <summary>For each read, the source of each of its bytes, <see langword="null"/> while open.</summary>
    public Dictionary<AccessId, AccessId?[]> Sources { get; } = [];

    /// <summary>The bytes of the reads that are decided.</summary>
    public Dictionary<AccessId, byte[]> Values { get; } = [];

    /// <summary>Whether a store-exclusive succeeds.</summary>
    public Dictionary<AccessId, bool> Success { get; } = [];

    /// <summary>The value of a read, when all its bytes are decided.</summary>
    public ulong? ValueOf(AccessId read)
    {
        if (!Sources.TryGetValue(read, out AccessId?[]? sources) || Array.Exists(sources, source => source is null))
        {
            return null;
        }

        ulong value = 0;
        byte[] bytes = Values[read];
        for (int index = 0; index < bytes.Length; index++)
        {
            value |= (ulong)bytes[index] << (8 * index);
        }

        return value;
    }
}
