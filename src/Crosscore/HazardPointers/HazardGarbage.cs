using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>
/// An object that its owner has unlinked and that readers may still be using, with the callback that is called when
/// none does.
/// </summary>
internal abstract class HazardGarbage(long bytes) : Linked<HazardGarbage>
{
    public long Bytes => bytes;

    /// <summary>Whether a slot announces the object.</summary>
    public abstract bool IsIn(HazardSnapshot protectedNow);

    /// <summary>Runs the caller's callback, which may throw.</summary>
    public abstract void Reclaim();
}

/// <inheritdoc/>
internal sealed class GarbageObject<T>(T value, Action<T> reclaim, long bytes) : HazardGarbage(bytes)
    where T : class
{
    public override bool IsIn(HazardSnapshot protectedNow) => protectedNow.Contains(value);

    public override void Reclaim() => reclaim(value);
}

/// <inheritdoc/>
internal sealed class GarbagePointer(Action<nint> free, long bytes) : HazardGarbage(bytes)
{
    /// <summary>
    /// Set before it is retired, and not by the constructor: a structure allocates the object before it knows which
    /// pointer it will retire.
    /// </summary>
    public nint Pointer { get; set; }

    public override bool IsIn(HazardSnapshot protectedNow) => protectedNow.Contains(Pointer);

    public override void Reclaim() => free(Pointer);
}
