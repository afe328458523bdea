using System.Runtime.InteropServices;

namespace Crosscore.Linux;

/// <summary>
/// Keeps a handle's descriptor open until the end of a block: when another thread closes the handle, its number may
/// become that of another file.
/// </summary>
internal readonly ref struct HeldDescriptor : IDisposable
{
    private readonly SafeHandle _handle;

    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    public HeldDescriptor(SafeHandle handle)
    {
        bool held = false;
        handle.DangerousAddRef(ref held); // Throws, or holds: nothing comes between it and the end of this.
        _handle = handle;
        Number = (int)handle.DangerousGetHandle();
    }

    /// <summary>The descriptor.</summary>
    public int Number { get; }

    public void Dispose() => _handle.DangerousRelease();
}
