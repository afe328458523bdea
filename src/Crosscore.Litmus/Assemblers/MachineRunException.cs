namespace Crosscore.Litmus.Assemblers;

/// <summary>
/// A test that cannot be run on this machine, or was not run as written: the message says why and, where there is one,
/// the way out.
/// </summary>
internal sealed class MachineRunException : Exception
{
    /// <summary>Reports it.</summary>
    /// <param name="message">Why.</param>
    public MachineRunException(string message)
        : base(message) { }

    /// <summary>Reports it, with what caused it.</summary>
    /// <param name="message">Why.</param>
    /// <param name="cause">The cause.</param>
    public MachineRunException(string message, Exception cause)
        : base(message, cause) { }
}
